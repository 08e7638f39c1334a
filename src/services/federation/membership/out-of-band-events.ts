/** Invites, knocks and leaves of local users in rooms that this server isn't in, as they come to be. */
import { buildEvent } from '#core/event/build-event.ts'
import type { Event } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import { type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { EventSignatures } from '#services/federation/membership/event-signatures.ts'
import type { Handshake } from '#services/federation/membership/handshakes.ts'
import { putOutOfBandMembership } from '#services/federation/membership/out-of-band-memberships.ts'
import type { WantedMembership } from '#services/federation/membership/own-member-event.ts'
import { readStrippedState } from '#services/federation/membership/stripped-state.ts'
import { membershipOf } from '#services/rooms/members/member-content.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'

type Deps = { readonly context: RoomContext; readonly signatures: EventSignatures }

export class OutOfBandEvents {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * A resident server took the knock. "Entries which are improperly signed or formatted SHOULD be removed"; one that
   * can't prove what room of version 12 it speaks of gets nothing shown.
   */
  async knocked({ event, answer }: Handshake): Promise<void> {
    const told = isJsonObject(answer) ? member(answer, 'knock_room_state') : undefined
    const stripped = await this.#usable(told, event)
    await this.#deps.context.store.write((tx) => putOutOfBandMembership(tx, event, stripped))
  }

  /** A resident server took the leave. */
  async left(event: Event): Promise<void> {
    await this.#deps.context.store.write((tx) => putOutOfBandMembership(tx, event, []))
  }

  /** Nobody could be told: the user is rid of the room by an event that this server keeps to itself. */
  async leaveAlone(wanted: WantedMembership, invite: Event): Promise<void> {
    const { signer, newLocalpart } = this.#deps.context
    const reference = referenceTo(invite)
    const leave = buildEvent(
      {
        type: 'm.room.member',
        state_key: wanted.userId,
        sender: wanted.userId,
        room_id: wanted.roomId,
        content: { ...wanted.content, membership: 'leave' },
        prev_events: [reference],
        auth_events: [reference],
        depth: Math.min(invite.depth + 1, Number.MAX_SAFE_INTEGER),
        origin_server_ts: wanted.originServerTs,
      },
      invite.rules,
      signer,
      newLocalpart,
    )
    await this.left(leave)
  }

  /**
   * Takes a member event of a local user from a room that this server isn't in: the end of an invite or a knock, which
   * nobody here can hold against the room's state. Believed of the inviter's server, and of servers that know the very
   * invite or knock that they end. The event's signatures must have been checked. Returns whether it was taken.
   */
  async ended(event: Event): Promise<boolean> {
    const { store, serverName } = this.#deps.context
    const membership = membershipOf(event)
    if (event.type !== 'm.room.member' || (membership !== 'leave' && membership !== 'ban')) return false
    if (event.stateKey === null || serverOf(event.stateKey as UserId) !== serverName) return false
    const mayEnd = await store.read(async (tx) => {
      const user = await tx.users.nid(event.stateKey as UserId)
      const room = await tx.rooms.byId(event.roomId)
      if (user === null || room === null || room.isResident || room.version !== event.rules.version) return false
      const row = await tx.memberships.one(user, room.nid)
      if (row?.membership !== 'invite' && row?.membership !== 'knock') return false
      const ends = (await tx.events.byNids([row.eventNid])).get(row.eventNid)?.event
      if (ends === undefined) return false
      return endsIt(event, ends)
    })
    if (mayEnd) await this.left(event)
    return mayEnd
  }

  async #usable(told: JsonObject[string] | undefined, { roomId, rules }: Event): Promise<JsonObject[]> {
    try {
      const entries = readStrippedState(told, roomId, rules)
      const verdicts = await Promise.all(entries.map((entry) => this.#deps.signatures.ofStripped(entry)))
      return entries.filter((_entry, index) => verdicts[index] === 'usable').map(({ stripped }) => stripped)
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      return []
    }
  }
}

function endsIt(event: Event, ends: Event): boolean {
  const inviter: ServerName = serverOf(ends.sender)
  return serverOf(event.sender) === inviter || event.authEvents.includes(ends.eventId)
}
