import { buildEvent } from '#core/event/build-event.ts'
import type { Event } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import { signerFromSeed } from '#core/event/sign.ts'
import { type RoomId, serverOf, type UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import type { Store, Tx } from '#store/store.ts'
import type { Append, Appended, NewEvent } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

export const ALICE = '@alice:hearth.example' as UserId
export const BOB = '@bob:hearth.example' as UserId
export const CAROL = '@carol:elsewhere.example' as UserId

/** Whose user makes an event, that server signs it. */
const signerOf = (user: UserId) => signerFromSeed(serverOf(user), 'a', new Uint8Array(32))

export type EventSpec = {
  readonly type?: string
  readonly sender?: UserId
  readonly stateKey?: string
  readonly content?: JsonObject
  /** The events before it; without them the one that was made last. */
  readonly prev?: readonly Event[]
  readonly auth?: readonly Event[]
  readonly ts?: number
}

/** Everything of a NewEvent is optional but the event. */
export type NewEventSpec = Partial<NewEvent> & { readonly event: Event }

let count = 0

/** A room in the store, to which real events are appended without asking the rules. */
export class RoomFixture {
  readonly nid: RoomNid
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
  headSeq = 0
  #latest: Event | null = null

  private constructor(nid: RoomNid, roomId: RoomId, rules: RoomVersionRules) {
    this.nid = nid
    this.roomId = roomId
    this.rules = rules
  }

  static async create(store: Store, version = '11'): Promise<RoomFixture> {
    const roomId = `!room${++count}:hearth.example` as RoomId
    const nid = await store.write((tx) => tx.rooms.create(roomId, version))
    return new RoomFixture(nid, roomId, ROOM_VERSIONS.get(version)!)
  }

  /** Makes an event that follows the last one made. */
  event({
    type = 'm.room.message',
    sender = ALICE,
    stateKey,
    content = {},
    prev,
    auth = [],
    ts,
  }: EventSpec = {}): Event {
    const before = prev ?? (this.#latest === null ? [] : [this.#latest])
    const template = {
      type,
      sender,
      room_id: this.roomId,
      content,
      prev_events: before.map(referenceTo),
      auth_events: auth.map(referenceTo),
      depth: 1 + Math.max(0, ...before.map(({ depth }) => depth)),
      origin_server_ts: ts ?? 1_600_000_000_000 + ++count,
      ...(stateKey === undefined ? {} : { state_key: stateKey }),
    }
    this.#latest = buildEvent(template, this.rules, signerOf(sender), () => `e${++count}`)
    return this.#latest
  }

  state(type: string, stateKey: string, content: JsonObject = {}): Event {
    return this.event({ type, stateKey, content })
  }

  member(user: UserId, membership: string, more: JsonObject = {}): Event {
    return this.event({ type: 'm.room.member', sender: user, stateKey: user, content: { membership, ...more } })
  }

  /** The append of these events on the head that this fixture knows. */
  command(events: readonly (Event | NewEventSpec)[], more: Partial<Append> = {}): Append {
    return {
      roomNid: this.nid,
      expectedHeadSeq: this.headSeq,
      events: events.map((one) => ({
        verdict: 'accepted',
        stateBefore: 'previous',
        ...('event' in one ? one : { event: one }),
      })),
      ...more,
    }
  }

  /** Appends inside a transaction; `headSeq` counts on. */
  async appendIn(tx: Tx, events: readonly (Event | NewEventSpec)[], more: Partial<Append> = {}): Promise<Appended> {
    const appended = await tx.events.append(this.command(events, more))
    this.headSeq = appended.headSeq
    return appended
  }

  async append(store: Store, events: readonly (Event | NewEventSpec)[], more: Partial<Append> = {}): Promise<Appended> {
    const appended = await store.append(this.command(events, more))
    this.headSeq = appended.headSeq
    return appended
  }
}
