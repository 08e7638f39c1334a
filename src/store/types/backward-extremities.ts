import type { EventId } from '#core/ids.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** An event that a timeline event cites as previous, and that has no place in the timeline itself. */
export type Gap = {
  readonly missing: EventId
  readonly citedBy: EventNid
  /** The rank of the citing event: below it there is room for history. */
  readonly rank: number
}

/** Kept by `EventStore.append` and `EventStore.addHistory`. */
export interface BackwardExtremityReader {
  /** Gaps below events of ranks ≤ `rank`, the nearest (highest) first; at most `limit`. */
  below(room: RoomNid, rank: number, limit: number): Promise<Gap[]>
}

export interface BackwardExtremityStore extends BackwardExtremityReader {
  /** Gives up on an event that nobody has: it is no gap any more. */
  giveUp(room: RoomNid, missing: EventId): Promise<void>
  /**
   * Notes what comes before a missing event that can't be taken as it is: these events, which have no place in the timeline,
   * are missing below the same ones as it is. It stays missing itself, as it may come in another form.
   *
   * @returns how many new gaps there are
   */
  openBehind(room: RoomNid, missing: EventId, eventIds: readonly EventId[]): Promise<number>
}
