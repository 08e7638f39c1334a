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
}
