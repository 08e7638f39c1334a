import type { Event } from '#core/event/event.ts'
import type { EventId, UserId } from '#core/ids.ts'
import type { EventNid, RoomNid } from '#store/types/numbers.ts'
import type { StateId } from '#store/types/state.ts'
import type { UserNid } from '#store/types/users.ts'

export type { EventNid } from '#store/types/numbers.ts'

export type EventRow = {
  readonly nid: EventNid
  readonly roomNid: RoomNid
  /** As stored: the redacted copy where a redaction has been applied. */
  readonly event: Event
  readonly senderNid: UserNid
  /** Stream position; null for outliers and backfilled events. */
  readonly position: number | null
  /** Place in the room's timeline; null for outliers. */
  readonly rank: number | null
  readonly stateBefore: StateId
  /** Same as `stateBefore` unless the event is state, and not rejected. */
  readonly stateAfter: StateId
  /** 1 + the greatest of its stored auth events'; 0 for a create event. */
  readonly generation: number
  readonly rejected: boolean
  readonly softFailed: boolean
  /** See `NewEvent.unapplied`. */
  readonly unapplied: boolean
  /** The redaction that was applied. */
  readonly redactedBy: EventNid | null
}

/**
 * One event of an append. Its auth events must be stored or stand earlier in the same append (a rejected event's
 * needn't). Previous events that are neither, or that are outliers, are gaps: see backward-extremities.ts. An event that is stored as an
 * outlier becomes a timeline event and keeps its number.
 */
export type NewEvent = {
  readonly event: Event
  /** Rejected and soft-failed events are kept but take no place among extremities. */
  readonly verdict: 'accepted' | 'soft-failed' | 'rejected'
  /** Which numbered rule refused it, for rejected and soft-failed ones. */
  readonly reason?: string
  /**
   * The state before: `'previous'` = the state after the accepted event before it in this append (for the first: the
   * room's current state of `expectedHeadSeq`), or a state that was resolved already.
   */
  readonly stateBefore: 'previous' | StateId
  /** The device and transaction id of a local send: written in the same transaction, unique. */
  readonly transaction?: TransactionKey
  /** Redaction that takes effect at once: the target's stored event is replaced by this redacted copy. */
  readonly redaction?: { readonly target: EventNid; readonly redacted: Event }
  /**
   * A redaction that doesn't apply: what it redacts isn't here, or is not for it to redact. It is part of the room, and
   * hidden from clients until `EventStore.redact` applies it.
   */
  readonly unapplied?: boolean
}

/**
 * A batch of timeline events for one room, as data. All or nothing. With no events, but with `currentState`, it only
 * changes the current state.
 */
export type Append = {
  readonly roomNid: RoomNid
  /** The `headSeq` that this was computed on; `StaleHeadError` when the room has moved on. */
  readonly expectedHeadSeq: number
  readonly events: readonly NewEvent[]
  /**
   * The room's current state after the append, where the caller has resolved it. Otherwise it is the state after the
   * last accepted event.
   */
  readonly currentState?: StateId
}

export type Appended = {
  readonly headSeq: number
  readonly stateId: StateId
  readonly events: readonly { nid: EventNid; position: number; rank: number; stateAfter: StateId; generation: number }[]
}

/** The room has moved on since the append was computed: load its head again and recompute. Nothing was written. */
export class StaleHeadError extends Error {
  override readonly name = 'StaleHeadError'
}

/** Another event has this device's transaction id already: answer with that event. Nothing was written. */
export class DuplicateTransactionError extends Error {
  override readonly name = 'DuplicateTransactionError'
  readonly eventId: EventId
  constructor(eventId: EventId) {
    super(`The transaction id was used for ${eventId}`)
    this.eventId = eventId
  }
}

export type TransactionKey = {
  readonly userNid: UserNid
  readonly deviceId: string
  readonly txnId: string
  /** Which endpoint it was used on, where the device has used the id on another one in the room before. */
  readonly endpoint?: string
}

/** What `EventReader.known` tells of a stored event, whatever room it is in. */
export type KnownEvent = {
  readonly nid: EventNid
  readonly roomNid: RoomNid
  /** Known, but in no place of the timeline: an auth event, an event of a state, an invite from elsewhere. */
  readonly isOutlier: boolean
  readonly rejected: boolean
  readonly softFailed: boolean
}

/** An event that is to be kept outside of the timeline. */
export type Outlier = {
  readonly event: Event
  readonly verdict: 'accepted' | 'rejected'
  /** Which numbered rule refused it. */
  readonly reason?: string
}

/** Backfilled events of one room: they take ranks, but no positions, and change neither extremities nor current state. */
export type History = {
  readonly roomNid: RoomNid
  /**
   * The events come directly below the event of this rank: that of the gap that they fill. Where that place was taken
   * by an earlier call, they come below what stands there.
   */
  readonly beforeRank: number
  /** Oldest first. Those that have a place in the timeline already are left as they are. */
  readonly events: readonly (Pick<NewEvent, 'event' | 'verdict' | 'reason' | 'redaction' | 'unapplied'> & {
    readonly stateBefore: StateId
  })[]
}

/** Which way a slice of a timeline is read, and where from: exclusive of `after`/`before`. Ranks, not positions. */
export type TimelineRange = {
  readonly room: RoomNid
  readonly direction: 'forwards' | 'backwards'
  /** Only ranks > this. */
  readonly afterRank?: number
  /** Only ranks < this. */
  readonly beforeRank?: number
  /** Only positions ≤ this (and events without a position). */
  readonly untilPosition?: number
  readonly limit: number
}

export type RelationRow = {
  readonly eventNid: EventNid
  readonly parentId: EventId
  readonly relType: string
  readonly type: string
  readonly senderNid: UserNid
}

export interface EventReader {
  byId(eventId: EventId): Promise<EventRow | null>
  /** In the order asked; absent ones are left out. */
  byIds(eventIds: readonly EventId[]): Promise<EventRow[]>
  byNids(nids: readonly EventNid[]): Promise<Map<EventNid, EventRow>>
  /** Timeline events in the asked direction's order, without those that clients don't see: refused ones, and redactions that don't apply. */
  timeline(range: TimelineRange): Promise<EventRow[]>
  /** The greatest rank with position ≤ `position`; 0 before the first. Translates a sync token to a rank. */
  rankAt(room: RoomNid, position: number): Promise<number>
  /** The position of the nearest positioned event with rank ≤ `rank`; 0 before the first. */
  positionAt(room: RoomNid, rank: number): Promise<number>
  /** The event nearest to a time: at or after (`forwards`), at or before (`backwards`); ties by rank. */
  nearestByTime(room: RoomNid, ts: number, direction: 'forwards' | 'backwards'): Promise<EventRow | null>
  transaction(key: TransactionKey & { readonly room: RoomNid }): Promise<EventId | null>
  /** The transaction ids that this device gave these events. */
  transactionIds(userNid: UserNid, deviceId: string, nids: readonly EventNid[]): Promise<Map<EventNid, string>>
  /** Events that relate to `parent`, in rank order. */
  relations(room: RoomNid, parent: EventId, relType?: string): Promise<RelationRow[]>
  /** Each event's thread root (itself for a root with replies); those in no thread are absent. */
  threadRoots(nids: readonly EventNid[]): Promise<Map<EventNid, EventId>>
  rejectionReason(nid: EventNid): Promise<string | null>
  /** Those of these events that are stored in any way; others are absent. */
  known(eventIds: readonly EventId[]): Promise<Map<EventId, KnownEvent>>
  /**
   * The auth events of these events, in the events' order, with the events' generations. Auth events that aren't stored
   * are left out: that happens with rejected events and with outliers that came without their auth events.
   */
  authOf(nids: readonly EventNid[]): Promise<Map<EventNid, { auth: EventNid[]; generation: number }>>
  /** The previous events of these events that are stored. Only complete for timeline events. */
  prevOf(nids: readonly EventNid[]): Promise<Map<EventNid, EventNid[]>>
  /**
   * What came into a room live, with `from < position ≤ to`, in order of position: rejected and soft-failed events too.
   * At most `limit`.
   */
  receivedBetween(room: RoomNid, from: number, to: number, limit: number): Promise<EventRow[]>
  /**
   * Accepted events of all rooms that users of this server sent, with `from < position ≤ to`, in order of position. At
   * most `limit` of them.
   */
  localEventsBetween(from: number, to: number, limit: number): Promise<EventRow[]>
  /** Redactions that didn't apply when they came, by the ids of what they redact; to be judged when that comes. */
  pendingRedactions(eventIds: readonly EventId[]): Promise<Map<EventId, EventNid[]>>
  /**
   * Redactions that came live to the room and began to apply later, with `from < position ≤ to` of when they did. At most
   * `limit`, the newest ones, in that order.
   */
  lateRedactions(room: RoomNid, from: number, to: number, limit: number): Promise<EventRow[]>
  sendersOf(nids: readonly EventNid[]): Promise<Map<EventNid, UserId>>
}

export interface EventStore extends EventReader {
  /**
   * Writes a batch of events: rows, edges, extremities, states, current state, memberships, relations, transactions,
   * redactions, and a log entry with a stream position each.
   * @throws StaleHeadError, DuplicateTransactionError
   */
  append(append: Append): Promise<Appended>
  /**
   * Keeps events outside of the timeline: no position, rank, state, extremity or log entry. One that is stored already
   * stays as it is, but learns of auth events that it lacked.
   * @param outliers each after those of its auth events that are among them
   * @returns their numbers, in the same order
   */
  addOutliers(room: RoomNid, outliers: readonly Outlier[]): Promise<EventNid[]>
  /**
   * Puts backfilled events into a gap. What their oldest ones cite becomes the new gap.
   * @returns their numbers and ranks, in the same order
   */
  addHistory(history: History): Promise<{ nid: EventNid; rank: number }[]>
  /**
   * Gives a stored event another verdict, and with it, where one is given, another state before. Its state after and its
   * place among relations follow; extremities and the room's current state don't (`RoomStore.replaceExtremities`,
   * `Append.currentState`).
   */
  reevaluate(nid: EventNid, verdict: NewEvent['verdict'], reason?: string, stateBefore?: StateId): Promise<void>
  /**
   * Applies a redaction later than its own append: the stored event is replaced by the redacted copy. A redaction that
   * clients weren't shown for lack of it is news to them now: it gets an entry in the log.
   */
  redact(by: EventNid, target: EventNid, redacted: Event): Promise<void>
  /** Forgets the transaction ids of events sent before a time (ms since the epoch); returns how many. */
  forgetTransactions(before: number): Promise<number>
}
