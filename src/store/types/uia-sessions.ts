import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

/** A user-interactive authentication that is under way. */
export type UiaSessionRow = {
  /** SHA-256 of the session id, in base64. */
  readonly idHash: string
  /** The operation that it will allow, and no other. */
  readonly operation: string
  /** Who asked for the operation; null without an access token. */
  readonly userNid: UserNid | null
  /** Fingerprint of the request that completed the first stage; null before that. */
  readonly fingerprint: string | null
  /** Completed stages with what each found out (such as the user id of a password), in order. */
  readonly completed: readonly { readonly stage: string; readonly found: JsonObject }[]
  readonly expiresTs: number
}

export interface UiaSessionReader {
  get(idHash: string): Promise<UiaSessionRow | null>
}

export interface UiaSessionStore extends UiaSessionReader {
  /** Adds a new one. */
  add(session: UiaSessionRow): Promise<void>
  /** Replaces a session by what it became. False where it isn't as it was any more: then nothing is changed. */
  advance(before: UiaSessionRow, after: UiaSessionRow): Promise<boolean>
  /** Uses a session up. False where it isn't as given any more. */
  spend(session: UiaSessionRow): Promise<boolean>
  /** Deletes sessions that expired before `ts`. */
  deleteExpired(ts: number): Promise<void>
}
