/** Invites, knocks and leaves of local users in rooms that this server isn't in, as they come to be. */
import { buildEvent } from '#core/event/build-event.ts'
import type { Event } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import { serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { Ingest } from '#services/federation/inbound/ingest.ts'
import type { EventSignatures } from '#services/federation/membership/event-signatures.ts'
import type { Handshake } from '#services/federation/membership/handshakes.ts'
import { putOutOfBandMembership } from '#services/federation/membership/out-of-band-memberships.ts'
import type { WantedMembership } from '#services/federation/membership/own-member-event.ts'
import { readStrippedState } from '#services/federation/membership/stripped-state.ts'
import { membershipOf } from '#services/rooms/members/member-content.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomRow } from '#store/types/rooms.ts'

type Deps = {
  readonly context: RoomContext
  readonly signatures: EventSignatures
  readonly isAuthorised: Ingest['isAuthorised']
}

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

  /** No server could be reached: the user leaves by an event that this server keeps to itself. */
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
   * nobody here can hold against the room's state. Believed of the inviter, and of others who prove by the room's events
   * that they may end this very invite or knock. The event's signatures must have been checked. Returns whether it was
   * taken.
   */
  async ended(event: Event): Promise<boolean> {
    const { store, serverName } = this.#deps.context
    const membership = membershipOf(event)
    if (event.type !== 'm.room.member' || (membership !== 'leave' && membership !== 'ban')) return false
    if (event.stateKey === null || serverOf(event.stateKey as UserId) !== serverName) return false
    const ends = await store.read((tx) => endedBy(tx, event))
    if (ends === null || !(await this.#mayEnd(event, ends))) return false
    // The proof may have taken a while.
    return store.write(async (tx) => {
      if ((await endedBy(tx, event))?.event.eventId !== ends.event.eventId) return false
      await putOutOfBandMembership(tx, event, [])
      return true
    })
  }

  async #mayEnd(event: Event, { room, event: ended, membership }: Ended): Promise<boolean> {
    if (membership === 'invite' && event.sender === ended.sender) return true
    if (!event.authEvents.includes(ended.eventId)) return false
    const sources = new Set([serverOf(event.sender), ...(membership === 'invite' ? [serverOf(ended.sender)] : [])])
    return this.#deps.isAuthorised(room, event, [...sources])
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

/** An invite or a knock. */
type Ended = { readonly room: RoomRow; readonly event: Event; readonly membership: 'invite' | 'knock' }

/** The invite or knock, known here alone, that a local user's member event would end. */
async function endedBy(tx: ReadTx, { stateKey, roomId, rules }: Event): Promise<Ended | null> {
  const user = await tx.users.nid(stateKey as UserId)
  const room = await tx.rooms.byId(roomId)
  if (user === null || room === null || room.isResident || room.version !== rules.version) return null
  const row = await tx.memberships.one(user, room.nid)
  if (row?.membership !== 'invite' && row?.membership !== 'knock') return null
  const event = (await tx.events.byNids([row.eventNid])).get(row.eventNid)?.event
  return event === undefined ? null : { room, event, membership: row.membership }
}
