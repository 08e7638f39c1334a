import { Type } from 'typebox'
import { isUserId, type UserId } from '#core/ids.ts'
import { invalidParam } from '#core/matrix-error.ts'
import { tCount } from '#kit/schemas.ts'

/** Bodies with the keys of many devices, or of many message sessions. */
export const KEYS_BODY_BYTES_MAX = 10 * 1024 * 1024

const REMOTE_TIMEOUT_MS = 10_000
const REMOTE_TIMEOUT_MS_MAX = 30_000

/** "The time (in milliseconds) to wait when downloading keys from remote servers." */
export const tKeysTimeout = Type.Optional(tCount)

/** "10 seconds is the recommended default." */
export function remoteTimeout(timeout: number | undefined): { timeoutMs: number } {
  return { timeoutMs: Math.min(timeout ?? REMOTE_TIMEOUT_MS, REMOTE_TIMEOUT_MS_MAX) }
}

/** A map whose keys are user ids. @throws MatrixError M_INVALID_PARAM where one isn't */
export function byUserId<T>(given: Readonly<Record<string, T>>): Map<UserId, T> {
  const entries = Object.entries(given).map(([userId, value]): [UserId, T] => {
    if (!isUserId(userId)) throw invalidParam(`'${userId.slice(0, 100)}' is not a user id`)
    return [userId, value]
  })
  return new Map(entries)
}
