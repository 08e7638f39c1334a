import { ID_BYTES_MAX, isNewLocalpart, isUserId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'

/** The user id on this server for a localpart that exists already. */
export function localUserId(localpart: string, server: ServerName): UserId {
  return `@${localpart}:${server}` as UserId
}

/**
 * The user id for a wished name. Capital letters become small ones, since phones like to begin with one; anything
 * else that the grammar for new users doesn't have is refused.
 *
 * @throws MatrixError M_INVALID_USERNAME
 */
export function newUserId(username: string, server: ServerName): UserId {
  const localpart = asciiLowerCase(username)
  const userId = localUserId(localpart, server)
  if (!isNewLocalpart(localpart)) {
    throw new MatrixError('M_INVALID_USERNAME', 'A user name may hold only the characters a-z, 0-9 and ._=-/+')
  }
  if (Buffer.byteLength(userId) > ID_BYTES_MAX) {
    throw new MatrixError('M_INVALID_USERNAME', `A user id may have at most ${ID_BYTES_MAX} bytes`)
  }
  return userId
}

/**
 * The user ids on this server that a login may mean by what was typed (a user id or its localpart): as it stands, then
 * in small letters. Empty for users of other servers and for what no user id can be.
 */
export function meantUserIds(typed: string, server: ServerName): UserId[] {
  const userId = typed.startsWith('@') ? typed : `@${typed}:${server}`
  if (!isUserId(userId) || serverOf(userId) !== server) return []
  const lower = localUserId(asciiLowerCase(userId.slice(1, userId.indexOf(':'))), server)
  return lower === userId ? [userId] : [userId, lower]
}

/**
 * What attempts on an account are counted by: the same however the name is written, and whether or not there is such an
 * account, so that the limit tells nothing about either.
 */
export function attemptKey(typed: string, server: ServerName): string {
  return meantUserIds(typed, server).at(-1) ?? typed.slice(0, ID_BYTES_MAX)
}

function asciiLowerCase(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
}
