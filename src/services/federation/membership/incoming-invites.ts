/** Invites of local users by users of other servers, which this server signs. */
import type { Event } from '#core/event/event.ts'
import { hasValidContentHash } from '#core/event/hash.ts'
import { addEventSignature } from '#core/event/sign.ts'
import type { EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { forbidden, invalidParam } from '#core/matrix-error.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { EventSignatures } from '#services/federation/membership/event-signatures.ts'
import { incompatibleVersion } from '#services/federation/membership/member-templates.ts'
import { putOutOfBandMembership } from '#services/federation/membership/out-of-band-memberships.ts'
import { readInvite } from '#services/federation/membership/sent-member-event.ts'
import { readStrippedState, type StrippedEntry } from '#services/federation/membership/stripped-state.ts'
import type { ThirdPartyExchanges } from '#services/federation/membership/third-party-exchanges.ts'
import { checkServerAcl } from '#services/federation/server-acl.ts'
import { checkInvitee } from '#services/rooms/members/invitations.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { ReadTx } from '#store/store.ts'

/** A request of `PUT /invite`, of either version. */
export type InviteRequest = {
  readonly origin: ServerName
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly roomVersion: string
  readonly event: JsonObject
  readonly inviteRoomState: JsonValue | undefined
}

type Deps = {
  readonly context: RoomContext
  readonly signatures: EventSignatures
  readonly exchanges: Pick<ThirdPartyExchanges, 'awaits'>
  /** Told of an invite that was taken. */
  readonly onLetIn: () => void
}

export class IncomingInvites {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Takes an invite and returns it with this server's signature. Shows it to the user unless this server is in the room,
   * where it comes in a transaction too.
   *
   * NOTSPEC: "the event sender is not a user ID on the origin server" is no fault of an invite that this server is just
   * asking the origin for. The inviter's server may be gone, and any other may send an invite of a third-party
   * identifier. Nor may the user have blocked what they ask for.
   *
   * @throws M_INCOMPATIBLE_ROOM_VERSION; M_INVALID_PARAM, M_BAD_JSON, M_TOO_LARGE for what is no invite, or none of its
   *   sender's; M_FORBIDDEN, M_INVITE_BLOCKED
   */
  async receive(request: InviteRequest): Promise<JsonObject> {
    const { context } = this.#deps
    const { origin, roomId, eventId, roomVersion } = request
    const rules = ROOM_VERSIONS.get(roomVersion)
    if (rules === undefined) throw incompatibleVersion(roomVersion)
    const isAwaited = this.#deps.exchanges.awaits(origin, roomId, request.event)
    const sent = { json: request.event, roomId, eventId, origin, isForAnother: isAwaited }
    const event = readInvite(sent, context.serverName, rules)
    const entries = readStrippedState(request.inviteRoomState, roomId, rules)
    await this.#checkSigned(event, origin)
    const stripped = await this.#proven(entries)
    if (!isAwaited) context.limiter.take('invitePerTarget', event.stateKey as string)
    await context.store.read(async (tx) => {
      await this.#check(tx, event, origin)
      if (!isAwaited) await checkInvitee(tx, event.stateKey as UserId, context.serverName)
    })
    const signed = addEventSignature(event.json, rules, context.signer)
    const { unsigned: _unsigned, ...kept } = signed
    await context.store.write(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      if (room === null || !room.isResident) await putOutOfBandMembership(tx, { ...event, json: kept }, stripped)
    })
    this.#deps.onLetIn()
    return signed
  }

  async #checkSigned(event: Event, origin: ServerName): Promise<void> {
    if (!hasValidContentHash(event.json)) throw invalidParam('The content hash does not fit the event')
    await this.#deps.signatures.check(event, origin)
  }

  /**
   * What the user may be shown of the room. "SHOULD return `M_INVALID_PARAM` if … one or more events fails a signature
   * check"; one whose server can't be asked for its keys is left out. The create event of a room that is named after it
   * needs no signature.
   */
  async #proven(entries: readonly StrippedEntry[]): Promise<JsonObject[]> {
    const verdicts = await Promise.all(entries.map((entry) => this.#deps.signatures.ofStripped(entry)))
    if (verdicts.includes('forged')) throw invalidParam('An event of the stripped state is not validly signed')
    return entries.filter((_entry, index) => verdicts[index] === 'usable').map(({ stripped }) => stripped)
  }

  async #check(tx: ReadTx, event: Event, origin: ServerName): Promise<void> {
    const invitee = event.stateKey as UserId
    const user = await tx.users.nid(invitee)
    const account = user === null ? null : await tx.accounts.get(user)
    if (user === null || account === null || account.deactivatedTs !== null) {
      throw forbidden('This server has no such user')
    }
    const room = await tx.rooms.byId(event.roomId)
    if (room === null || !room.isResident) return
    await checkServerAcl(tx, room, origin)
    const current = await tx.memberships.one(user, room.nid)
    if (current?.membership === 'join') throw forbidden('The user is in the room')
    if (current?.membership === 'ban') throw forbidden('The user is banned')
  }
}
