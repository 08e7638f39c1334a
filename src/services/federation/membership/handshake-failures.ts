/** What the servers said that could not do what a user wanted, and what of it the user is told. */
import type { ServerName } from '#core/ids.ts'
import { MatrixError, notFound } from '#core/matrix-error.ts'
import { passedOnError } from '#services/federation/remote-error.ts'
import { type FederationFailure, failureText } from '#services/federation/transport/federation-client.ts'

/** The most telling first, where several servers refused. */
const MOST_TELLING: readonly string[] = [
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
  /** What servers said. */
  readonly #refusals: MatrixError[] = []
  /** What this server has against their answers. */
  readonly #objections: MatrixError[] = []
  readonly #texts: string[] = []

  /** What a server answered, or why it didn't. */
  add(server: ServerName, failure: FederationFailure): void {
    this.#texts.push(`${server}: ${failureText(failure)}`)
    const error = passedOnError(failure)
    if (error !== null) this.#refusals.push(error)
  }

  /** A server whose answer was worth nothing, or what this server itself has against it. */
  addError(server: ServerName, error: Error): void {
    this.#texts.push(`${server}: ${error.message}`)
    if (error instanceof MatrixError) this.#objections.push(error)
  }

  /** The most telling of them. */
  get error(): MatrixError {
    if (this.#texts.length === 0) return notFound('No server is known that could be asked about the room')
    const [error] = [...this.#refusals, ...this.#objections].toSorted((a, b) => weight(a) - weight(b))
    return error ?? new MatrixError('M_UNKNOWN', `No server could be asked: ${this.summary}`, { status: 502 })
  }

  get summary(): string {
    return this.#texts.join('; ')
  }
}

function weight({ errcode }: MatrixError): number {
  const at = MOST_TELLING.indexOf(errcode)
  return at >= 0 ? at : MOST_TELLING.length
}
