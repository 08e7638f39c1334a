import type { EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/**
 * What a log entry tells of. The entry names only the room or the user that changed; what changed stands in the
 * domain's own table under the same position.
 */
export type LogKind =
  | 'event' // room: a timeline event, or a change of its current state; user where it changes that user's membership
  | 'receipt' // room; user where the receipt is private
  | 'account_data' // user; room where it is the room's
  | 'profile' // user
  | 'device_list' // user
  | 'to_device' // user
  | 'membership' // user and room: an invite, knock or leave of a room that this server has no copy of

export type LogEntry = {
  readonly position: number
  readonly kind: LogKind
  readonly roomNid: RoomNid | null
  readonly userNid: UserNid | null
}

/** The event that an entry tells of. */
export type LoggedEvent = Pick<EventRow, 'nid' | 'roomNid' | 'event'> & { readonly position: number }

export type CommittedEntry = LogEntry & {
  /** As it was written; null for what isn't a new event, and for rejected and soft-failed ones. */
  readonly event: LoggedEvent | null
  /** About so much memory the entry holds. */
  readonly bytes: number
}

/** What one transaction wrote to the log: everything with `from < position ≤ to`, in order. */
export type LogCommit = {
  readonly from: number
  readonly to: number
  readonly entries: readonly CommittedEntry[]
}

/** A follower's right to move its position. The one who claims it next has a greater `fence`, and this one is over. */
export type Lease = { readonly follower: string; readonly fence: number }

/** Somebody else has claimed the follower since. Nothing was written. */
export class LostLeaseError extends Error {
  override readonly name = 'LostLeaseError'
  constructor({ follower }: Lease) {
    super(`Another process follows the log as ${follower}`)
  }
}

export interface LogReader {
  /** Entries with `from < position ≤ to` in order, at most `limit`. */
  between(from: number, to: number, limit: number): Promise<LogEntry[]>
  /** Where a follower stands; 0 when it has never run. */
  followerPosition(follower: string): Promise<number>
}

export interface LogStore extends LogReader {
  /** Takes the next stream position and writes the entry for it, in the caller's transaction. */
  append(kind: LogKind, about: { roomNid?: RoomNid; userNid?: UserNid }): Promise<number>
  setFollowerPosition(follower: string, position: number): Promise<void>
  /** Makes the caller the one who follows under this name, whoever did before. Tells where that one stood, or 0. */
  claimFollower(follower: string): Promise<{ readonly lease: Lease; readonly position: number }>
  /** @throws LostLeaseError, which must take the caller's other changes back too */
  moveFollower(lease: Lease, position: number): Promise<void>
}
