/** The one place where errors become HTTP answers (specification, "Standard error response"). */
import { MatrixError } from '#core/matrix-error.ts'
import type { UnavailableError } from '#core/unavailable-error.ts'
import { Answer } from '#kit/answer.ts'

/** Statuses other than 400 that an error code goes with; a `MatrixError` may carry another for one place. */
const STATUS_BY_ERRCODE: Readonly<Record<string, number>> = {
  M_UNKNOWN_TOKEN: 401,
  M_MISSING_TOKEN: 401,
  M_UNAUTHORIZED: 401,
  M_USER_LOCKED: 401,
  M_FORBIDDEN: 403,
  M_GUEST_ACCESS_FORBIDDEN: 403,
  M_USER_DEACTIVATED: 403,
  M_USER_SUSPENDED: 403,
  M_USER_LIMIT_EXCEEDED: 403,
  M_RESOURCE_LIMIT_EXCEEDED: 403,
  M_CANNOT_LEAVE_SERVER_NOTICE_ROOM: 403,
  M_INVITE_BLOCKED: 403,
  M_THREEPID_DENIED: 403,
  M_WRONG_ROOM_KEYS_VERSION: 403,
  M_NOT_FOUND: 404,
  M_UNRECOGNIZED: 404,
  M_CANNOT_OVERWRITE_MEDIA: 409,
  M_TOO_LARGE: 413,
  M_LIMIT_EXCEEDED: 429,
  M_UNKNOWN: 500,
  M_CONNECTION_FAILED: 502,
  M_NOT_YET_UPLOADED: 504,
  M_CONNECTION_TIMEOUT: 504,
}

/** What an expected failure looks like to the client. */
export function errorAnswer(error: MatrixError): Answer {
  const status =
    error.status ?? (Object.hasOwn(STATUS_BY_ERRCODE, error.errcode) ? STATUS_BY_ERRCODE[error.errcode]! : 400)
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  const retryAfterMs = error.extra['retry_after_ms']
  // "Servers SHOULD use the Retry-After header"; whole seconds, never too early.
  if (typeof retryAfterMs === 'number') headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)))
  return new Answer(status, headers, JSON.stringify({ errcode: error.errcode, error: error.message, ...error.extra }))
}

/** When a client may come again that found the database unusable, in milliseconds. */
const UNAVAILABLE_RETRY_MS = 5_000

/** What is wrong around the server, and may be over soon. */
export function unavailableAnswer({ reason, message }: UnavailableError): Answer {
  const status = reason === 'disk full' ? 507 : 503
  return errorAnswer(new MatrixError('M_UNKNOWN', message, { status, extra: { retry_after_ms: UNAVAILABLE_RETRY_MS } }))
}

/** What a defect looks like to the client: nothing but an id, by which the log's entry is found. */
export function defectAnswer(requestId: string): Answer {
  return errorAnswer(new MatrixError('M_UNKNOWN', `Internal server error (request ${requestId})`))
}
