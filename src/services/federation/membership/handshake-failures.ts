/** What the servers said that could not do what a user wanted, and what of it the user is told. */
import type { ServerName } from '#core/ids.ts'
import { type JsonValue, member } from '#core/json/value.ts'
import { MatrixError, notFound } from '#core/matrix-error.ts'
import { type FederationFailure, failureText } from '#services/federation/transport/federation-client.ts'

const ERRCODE = /^[A-Z][A-Z0-9_.]{0,99}$/
/** "If `M_MISSING_PARAM` or `M_INVALID_PARAM` is returned … the Client-Server API request SHOULD fail with a 5xx error". */
const OUR_OWN_FAULT: readonly string[] = ['M_MISSING_PARAM', 'M_INVALID_PARAM', 'M_UNAUTHORIZED', 'M_UNRECOGNIZED']

/** Collects why each candidate failed. */
export class HandshakeFailures {
  readonly #errors: MatrixError[] = []
  readonly #texts: string[] = []

  /** What a server answered, or why it didn't. */
  add(server: ServerName, failure: FederationFailure): void {
    this.#texts.push(`${server}: ${failureText(failure)}`)
    const error = failure.outcome === 'refused' ? errorOf(failure) : null
    if (error !== null) this.#errors.push(error)
  }

  /** A server whose answer was worth nothing, or what this server itself has against it. */
  addError(server: ServerName, error: Error): void {
    this.#texts.push(`${server}: ${error.message}`)
    if (error instanceof MatrixError) this.#errors.push(error)
  }

  /** The most telling of them. */
  get error(): MatrixError {
    if (this.#texts.length === 0) return notFound('No server is known that could be asked about the room')
    const byWeight = this.#errors.toSorted((a, b) => weight(a) - weight(b))
    return byWeight[0] ?? new MatrixError('M_UNKNOWN', `No server could be asked: ${this.summary}`, { status: 502 })
  }

  get summary(): string {
    return this.#texts.join('; ')
  }
}

/** In the words of the other server; null for what says more about us than about what was wanted. */
function errorOf(failure: FederationFailure & { readonly outcome: 'refused' }): MatrixError | null {
  const { errcode, error, status, json } = failure
  if (status >= 500 || errcode === null || !ERRCODE.test(errcode) || OUR_OWN_FAULT.includes(errcode)) return null
  if (errcode === 'M_LIMIT_EXCEEDED') return null
  const version: JsonValue | undefined = json === null ? undefined : member(json, 'room_version')
  const extra = typeof version === 'string' ? { room_version: version } : {}
  return new MatrixError(errcode, error ?? 'Refused by the other server', { status, extra })
}

function weight({ errcode }: MatrixError): number {
  const order = ['M_INCOMPATIBLE_ROOM_VERSION', 'M_FORBIDDEN', 'M_UNABLE_TO_GRANT_JOIN', 'M_UNABLE_TO_AUTHORISE_JOIN']
  const at = order.indexOf(errcode)
  if (at >= 0) return at
  return errcode === 'M_NOT_FOUND' ? order.length + 1 : order.length
}
