/** Finds and judges the access token of a request. */
import { MatrixError } from '#core/matrix-error.ts'
import type { Authenticate, Origin } from '#kit/caller.ts'
import type { Auth } from '#kit/endpoint.ts'
import type { RawQuery } from '#kit/query-string.ts'
import type { Caller } from '#services/accounts/caller.ts'

const BEARER = /^bearer +([^\s]+) *$/i

/** The token of `Authorization: Bearer`, or of the older `?access_token=`; null where there is none. */
export function accessToken(authorization: string | undefined, query: RawQuery): string | null {
  if (authorization !== undefined) return BEARER.exec(authorization)?.[1] ?? null
  const inQuery = query.get('access_token')?.[0]
  return inQuery === undefined || inQuery === '' ? null : inQuery
}

/** The caller as the endpoint's `auth` asks for it. Throws the errors of "Using access tokens". */
export async function authenticateRequest(
  auth: Auth,
  token: string | null,
  origin: Origin,
  authenticate: Authenticate,
): Promise<Caller | null> {
  if (auth === 'none' || auth === 'server') return null
  if (token === null) {
    if (auth === 'optional') return null
    throw new MatrixError('M_MISSING_TOKEN', 'Missing access token')
  }
  const caller = await authenticate(token, origin)
  if (caller.isGuest && auth === 'user') {
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests are not allowed to do this')
  }
  return caller
}
