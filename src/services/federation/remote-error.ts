import type { ServerName } from '#core/ids.ts'
import { forbidden, MatrixError, notFound } from '#core/matrix-error.ts'
import { type FederationFailure, failureText } from '#services/federation/transport/federation-client.ts'

/** What a user is told when another server didn't give what they wanted: a plain no is passed on, all else is a 502. */
export function remoteError(server: ServerName, failure: FederationFailure): MatrixError {
  if (failure.outcome === 'refused') {
    if (failure.status === 404) return notFound(failure.error ?? `${server} has no such thing`)
    if (failure.status === 403) return forbidden(failure.error ?? `${server} doesn't allow this`)
  }
  return new MatrixError('M_UNKNOWN', `${server} can't be asked: ${failureText(failure)}`, { status: 502 })
}
