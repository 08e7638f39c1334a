import type { JsonValue } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

export interface ProfileReader {
  /** All fields that are set, by name. */
  get(user: UserNid): Promise<Map<string, JsonValue>>
  /** The profiles of several users at once; users without any field are absent. */
  getMany(users: readonly UserNid[]): Promise<Map<UserNid, Map<string, JsonValue>>>
  /** Fields changed at `from < position ≤ to`; `value` is undefined for one that was deleted. */
  changes(from: number, to: number): Promise<ProfileChange[]>
}

export type ProfileChange = {
  readonly userNid: UserNid
  readonly field: string
  readonly value: JsonValue | undefined
  readonly position: number
}

export interface ProfileStore extends ProfileReader {
  /** Sets a field under a new stream position, which it returns; `undefined` deletes it. */
  set(user: UserNid, field: string, value: JsonValue | undefined): Promise<number>
}
