import type { ServerName } from '#core/ids.ts'
import { type JsonValue, member } from '#core/json/value.ts'
import { forbidden, MatrixError, notFound } from '#core/matrix-error.ts'
import { type FederationFailure, failureText } from '#services/federation/transport/federation-client.ts'

/**
 * Codes that say more about the two servers than about what the user wanted. "If `M_MISSING_PARAM` or `M_INVALID_PARAM`
 * is returned and the request is associated with a Client-Server API request, the Client-Server API request SHOULD fail
 * with a 5xx error rather than being passed through."
 */
const BETWEEN_SERVERS: ReadonlySet<string> = new Set([
  'M_MISSING_PARAM',
  'M_INVALID_PARAM',
  'M_UNAUTHORIZED',
  'M_UNRECOGNIZED',
])

/** Codes that a client takes for the state of its own session: it would log out, or show a notice to its user. */
const OF_SESSIONS: ReadonlySet<string> = new Set([
  'M_UNKNOWN_TOKEN',
  'M_MISSING_TOKEN',
  'M_USER_LOCKED',
  'M_USER_SUSPENDED',
  'M_CONSENT_NOT_GIVEN',
])

/**
 * Another server's refusal in its own words, with its code, status and what clients know besides; null where it is not
 * for the user. "The error should be passed through to clients so that they may give better feedback to users."
 */
export function passedOnError(failure: FederationFailure): MatrixError | null {
  if (failure.outcome !== 'refused' || failure.errcode === null) return null
  const { errcode, error, status, json } = failure
  // 401 is about the signature of the request.
  if (status < 400 || status >= 500 || status === 401) return null
  if (!/^[A-Z][A-Z0-9_.]*$/i.test(errcode) || BETWEEN_SERVERS.has(errcode) || OF_SESSIONS.has(errcode)) return null
  const extra: Record<string, unknown> = {}
  const given = (key: string): JsonValue | undefined => (json === null ? undefined : member(json, key))
  const [version, retryAfterMs] = [given('room_version'), given('retry_after_ms')]
  if (typeof version === 'string') extra['room_version'] = version
  if (typeof retryAfterMs === 'number' && retryAfterMs >= 0) extra['retry_after_ms'] = retryAfterMs
  return new MatrixError(errcode, error ?? 'Refused by the other server', { status, extra })
}

/** What a user is told when another server didn't give what they wanted: a plain no is passed on, all else is a 502. */
export function remoteError(server: ServerName, failure: FederationFailure): MatrixError {
  const passedOn = passedOnError(failure)
  if (passedOn !== null) return passedOn
  if (failure.outcome === 'refused') {
    if (failure.status === 404) return notFound(failure.error ?? `${server} has no such thing`)
    if (failure.status === 403) return forbidden(failure.error ?? `${server} doesn't allow this`)
  }
  return new MatrixError('M_UNKNOWN', `${server} can't be asked: ${failureText(failure)}`, { status: 502 })
}
