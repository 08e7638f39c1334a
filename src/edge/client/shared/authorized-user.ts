import type { UserId } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { forbidden, MatrixError } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'

/** The caller, or for a request without an access token the user whom a stage of authentication found. */
export function authorizedUser(caller: Caller | null, found: ReadonlyMap<string, JsonObject>): UserId {
  if (caller !== null) return caller.userId
  for (const result of found.values()) {
    const user = member(result, 'user')
    if (typeof user === 'string') return user as UserId
  }
  throw forbidden('The authentication did not tell whose account this is about')
}

/** For endpoints whose access token is optional: the kit refuses guests only where one is required. */
export function refuseGuest(caller: Caller | null): void {
  if (caller?.isGuest) throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests are not allowed to do this')
}
