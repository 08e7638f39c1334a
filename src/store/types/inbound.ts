import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/** An event as it came, that is still to be judged. */
export type StagedPdu = {
  /** Grows in the order of staging. */
  readonly id: number
  readonly roomId: RoomId
  /** The server that it came from. */
  readonly origin: ServerName
  /** As received, in JSON. */
  readonly json: string
  readonly receivedTs: number
}

/** An event of a state as another server told it, without which that state was built here. */
export type LeftOutEvent = {
  readonly eventId: EventId
  /** The state that lacks it. */
  readonly state: StateId
  /** False for what only authorises events of the state. */
  readonly isInState: boolean
  /** Who told it. */
  readonly via: ServerName
  /** As received, in JSON, while its signatures can't be checked; null where it is stored, and lacks others. */
  readonly json: string | null
}

export interface InboundReader {
  /** The answer that a transaction of another server got; null for a new one. */
  transaction(origin: ServerName, txnId: string): Promise<JsonObject | null>
  /** Staged events of all rooms, or of one, or of one origin, oldest first, at most `limit`, those after an id. */
  staged(
    limit: number,
    from?: { readonly roomId?: RoomId; readonly origin?: ServerName; readonly afterId?: number },
  ): Promise<StagedPdu[]>
  /** How many events are staged, of one origin or of all. */
  stagedCount(origin?: ServerName): Promise<number>
  /** Rooms with events that were left out of their states, by nid. */
  roomsWithLeftOut(): Promise<RoomNid[]>
  /** The events that were left out of a room's states, at most `limit`. */
  leftOut(room: RoomNid, limit: number): Promise<LeftOutEvent[]>
}

/** What other servers send: their transactions, and events on disk between receiving and judging. */
export interface InboundStore extends InboundReader {
  putTransaction(origin: ServerName, txnId: string, response: JsonObject): Promise<void>
  /** Forgets transactions received before a time (ms since the epoch); returns how many. */
  forgetTransactions(before: number): Promise<number>
  /** Keeps events that came from `origin`, each in JSON as received. Returns their ids. */
  stage(roomId: RoomId, origin: ServerName, pdus: readonly string[]): Promise<number[]>
  unstage(ids: readonly number[]): Promise<void>
  /** Keeps events that a state was built without. */
  putLeftOut(room: RoomNid, events: readonly LeftOutEvent[]): Promise<void>
  dropLeftOut(room: RoomNid, eventIds: readonly EventId[]): Promise<void>
  /** Gives up events that were left out before a time (ms since the epoch). */
  forgetLeftOut(before: number): Promise<void>
}
