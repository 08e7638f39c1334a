/** What the servers said that could not do what a user wanted, and what of it the user is told. */
import type { ServerName } from '#core/ids.ts'
import { type JsonValue, member } from '#core/json/value.ts'
import { MatrixError, notFound } from '#core/matrix-error.ts'
import { type FederationFailure, failureText } from '#services/federation/transport/federation-client.ts'

/**
 * What is passed on in the other server's words, the most telling first. The rest says more about the two servers than
 * about what the user wanted (`M_MISSING_PARAM` or `M_INVALID_PARAM` "SHOULD fail with a 5xx error"), or would mislead a
 * client, as `M_UNKNOWN_TOKEN` would.
 */
const PASSED_ON: readonly string[] = [
  'M_INCOMPATIBLE_ROOM_VERSION',
  'M_INVITE_BLOCKED',
  'M_FORBIDDEN',
  'M_UNABLE_TO_GRANT_JOIN',
  'M_UNABLE_TO_AUTHORISE_JOIN',
  'M_BAD_STATE',
  'M_NOT_FOUND',
]

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

function errorOf(failure: FederationFailure & { readonly outcome: 'refused' }): MatrixError | null {
  const { errcode, error, status, json } = failure
  if (status >= 500 || errcode === null || !PASSED_ON.includes(errcode)) return null
  const version: JsonValue | undefined = json === null ? undefined : member(json, 'room_version')
  const extra = typeof version === 'string' ? { room_version: version } : {}
  return new MatrixError(errcode, error ?? 'Refused by the other server', { extra })
}

/** What this server itself has against an answer comes after what others say. */
function weight({ errcode }: MatrixError): number {
  const at = PASSED_ON.indexOf(errcode)
  return at >= 0 ? at : PASSED_ON.length
}
