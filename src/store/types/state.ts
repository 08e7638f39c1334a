import type { EventId } from '#core/ids.ts'
import type { EventNid, RoomNid } from '#store/types/numbers.ts'

declare const nid: unique symbol
/** An immutable state of one room: a row of the state tree. 0 is the empty state. */
export type StateId = number & { readonly [nid]: 'StateId' }
/**
 * What other servers said of the state at an event that cites what isn't here: the states after what is missing, or the
 * state before the event itself, which stands for all that it cites.
 */
export type ClaimedState = { readonly after: readonly StateId[] } | { readonly before: StateId }
/** The short number of a pair (type, state key). */
export type StateKeyNid = number & { readonly [nid]: 'StateKeyNid' }

export type StateEntry = {
  readonly key: StateKeyNid
  readonly type: string
  readonly stateKey: string
  readonly eventNid: EventNid
}

/** Where two states differ. */
export type StateDifference = {
  readonly key: StateKeyNid
  readonly type: string
  readonly stateKey: string
  readonly a: EventNid | null
  readonly b: EventNid | null
}

export interface StateReader {
  /** The number of (type, stateKey), null when no event ever had it. */
  keyNid(type: string, stateKey: string): Promise<StateKeyNid | null>
  keys(nids: readonly StateKeyNid[]): Promise<Map<StateKeyNid, readonly [type: string, stateKey: string]>>
  /** One event of a state. */
  get(state: StateId, type: string, stateKey: string): Promise<EventNid | null>
  getMany(state: StateId, keys: readonly (readonly [type: string, stateKey: string])[]): Promise<(EventNid | null)[]>
  /** A whole state; `types` narrows it to some event types. */
  entries(state: StateId, types?: readonly string[]): Promise<StateEntry[]>
  /** Keys whose events differ; null where a side lacks the key. */
  diff(a: StateId, b: StateId): Promise<StateDifference[]>
  /** The room's current state, from its indexed table: all of it or some types. */
  current(room: RoomNid, types?: readonly string[]): Promise<StateEntry[]>
  currentOne(room: RoomNid, type: string, stateKey: string): Promise<EventNid | null>
  /** The current state as of a position: the last logged state id with position ≤ `position`; 0 before the first. */
  at(room: RoomNid, position: number): Promise<StateId>
  eventIds(nids: readonly EventNid[]): Promise<Map<EventNid, EventId>>
}

export interface StateStore extends StateReader {
  /** A new state with these changes (null deletes), or the same id when nothing changes. */
  apply(
    room: RoomNid,
    base: StateId,
    changes: readonly { type: string; stateKey: string; event: EventNid | null }[],
  ): Promise<StateId>
  /** The state with just these entries, no pair of type and key twice. */
  build(
    room: RoomNid,
    entries: readonly { readonly type: string; readonly stateKey: string; readonly event: EventNid }[],
  ): Promise<StateId>
}
