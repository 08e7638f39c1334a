import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

export type AccountDataRow = {
  /** null = global */
  readonly roomId: RoomId | null
  readonly type: string
  readonly content: JsonObject
  readonly position: number
}

export interface AccountDataReader {
  get(user: UserNid, roomId: RoomId | null, type: string): Promise<JsonObject | null>
  /** Everything of the user, in order of position. */
  all(user: UserNid): Promise<AccountDataRow[]>
  /** Everything of the user on one room, in order of position. */
  ofRoom(user: UserNid, roomId: RoomId): Promise<AccountDataRow[]>
  /** What changed at `from < position ≤ to`, in order of position. */
  changesFor(user: UserNid, from: number, to: number): Promise<AccountDataRow[]>
}

/** Account data, global and of rooms; tags (`m.tag`) and push rules (`m.push_rules`) are kept here too. */
export interface AccountDataStore extends AccountDataReader {
  /** Adds or replaces under a new stream position, which it returns. */
  put(user: UserNid, roomId: RoomId | null, type: string, content: JsonObject): Promise<number>
  /** Forgets everything of the user. */
  deleteAll(user: UserNid): Promise<void>
}
