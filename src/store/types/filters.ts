import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

export interface FilterReader {
  get(user: UserNid, filterId: number): Promise<JsonObject | null>
  /** The id of the user's filter with the content of this digest. */
  find(user: UserNid, hash: string): Promise<number | null>
}

/** Filters that clients uploaded. They never change. */
export interface FilterStore extends FilterReader {
  /** The id of the user's filter with this content, given on first sight. `hash` is a digest of the content. */
  put(user: UserNid, hash: string, content: JsonObject): Promise<number>
}
