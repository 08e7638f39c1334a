import type { Event } from '#core/event/event.ts'
import { stateMapKey } from '#core/event/event.ts'
import { type EventReference, referenceTo } from '#core/event/hash.ts'
import type { RoomId } from '#core/ids.ts'
import { jsonText } from '#core/json/text.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { NewEvent } from '#store/types/events.ts'
import type { Extremity, RoomNid, RoomRow } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/** An event that the room's next event will cite. */
export type Tip = { readonly reference: EventReference; readonly depth: number }

/** More extremities than these are left for later events to cite. */
export const PREV_EVENTS_OWN_MAX = 10

/** Where a room stood when this was read: what the next event is built on. */
export type HeadPosition = {
  readonly headSeq: number
  /** The state after the tips: the room's current state. */
  readonly stateId: StateId
  readonly tips: readonly Tip[]
  /** How the store is told of `stateId` as the state before the next event. */
  readonly stateBefore: NewEvent['stateBefore']
}

/** How much of a room's state one head keeps at hand, in bytes; it starts afresh when there is more. */
const KNOWN_BYTES_MAX = 4 * 1024 * 1024
/** What an entry costs besides its event's JSON, roughly. */
const ENTRY_BYTES = 512

/**
 * A room as the next event finds it, with the parts of its state that were asked for lately. Belongs to the room's
 * queue, which alone moves it on, after a commit.
 */
export class RoomHead {
  readonly nid: RoomNid
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
  #at: HeadPosition
  readonly #known = new Map<string, Event | null>()
  #bytes = 0

  constructor(room: Pick<RoomRow, 'nid' | 'roomId'>, rules: RoomVersionRules, at: HeadPosition) {
    this.nid = room.nid
    this.roomId = room.roomId
    this.rules = rules
    this.#at = at
  }

  get at(): HeadPosition {
    return this.#at
  }

  /** About how much memory this takes. */
  get bytes(): number {
    return ENTRY_BYTES + this.#bytes
  }

  /** The event at a key of the current state, null for none, undefined when it isn't at hand. */
  known(type: string, stateKey: string): Event | null | undefined {
    return this.#known.get(stateMapKey(type, stateKey))
  }

  /** Keeps what the store says about a key of the current state. */
  learn(type: string, stateKey: string, event: Event | null): void {
    this.#known.set(stateMapKey(type, stateKey), event)
    this.#bytes += ENTRY_BYTES + (event === null ? 0 : jsonText(event.json).length * 2)
  }

  /** Forgets what was learnt if it has become much. Not while a draft is being built, which relies on it. */
  trim(): void {
    if (this.#bytes <= KNOWN_BYTES_MAX) return
    this.#known.clear()
    this.#bytes = 0
  }

  /** Moves on to what was committed. `state` are the keys that changed. */
  advance(at: HeadPosition, state: Iterable<Event>): void {
    this.#at = at
    for (const event of state) this.learn(event.type, event.stateKey ?? '', event)
  }
}

/** The head of a room that has no event yet. */
export function emptyHead(rules: RoomVersionRules): RoomHead {
  // Neither number is used: the room has no row yet, and its id may be the hash of the event to come.
  const room = { nid: 0 as RoomNid, roomId: '' as RoomId }
  return new RoomHead(room, rules, { headSeq: 0, stateId: 0 as StateId, tips: [], stateBefore: 'previous' })
}

/** Reads a room's head; null for a room that this server doesn't have, or only knows from an invite or a knock. */
export async function loadHead(store: Store, roomId: RoomId): Promise<RoomHead | null> {
  const found = await store.read(async (tx) => {
    const room = await tx.rooms.byId(roomId)
    const rules = room === null ? undefined : ROOM_VERSIONS.get(room.version)
    if (room === null || rules === undefined) return null
    const extremities = (await tx.rooms.extremities(room.nid))
      .sort((a, b) => b.depth - a.depth)
      .slice(0, PREV_EVENTS_OWN_MAX)
    if (extremities.length === 0) return null
    return { room, rules, extremities, tips: await tipsOf(tx, rules, extremities) }
  })
  if (found === null) return null
  const { room, rules, extremities, tips } = found
  const states = extremities.map(({ stateAfter }) => stateAfter)
  const stateId = await stateBefore(store, room.nid, rules, states)
  const at = { headSeq: room.headSeq, stateId, tips }
  return new RoomHead(room, rules, { ...at, stateBefore: stateId === room.stateId ? 'previous' : stateId })
}

async function tipsOf(tx: ReadTx, rules: RoomVersionRules, extremities: readonly Extremity[]): Promise<Tip[]> {
  if (rules.eventReferences === 'ids') {
    return extremities.map(({ eventId, depth }) => ({ reference: eventId, depth }))
  }
  const rows = await tx.events.byNids(extremities.map(({ nid }) => nid))
  return extremities.flatMap(({ nid, depth }) => {
    const row = rows.get(nid)
    return row === undefined ? [] : [{ reference: referenceTo(row.event), depth }]
  })
}
