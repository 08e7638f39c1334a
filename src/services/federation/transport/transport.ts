/** The network as the federation sees it: what carries one request to another server and brings back its answer. */
import type { ServerName } from '#core/ids.ts'

export type FederationMethod = 'GET' | 'PUT' | 'POST'

/** A request that is ready to be sent. */
export type WireRequest = {
  readonly destination: ServerName
  readonly method: FederationMethod
  /** Path and query, encoded. */
  readonly uri: string
  /** The `Authorization` header; null for none. */
  readonly authorization: string | null
  /** JSON; null for no body. */
  readonly body: string | null
  /** For everything: discovery, connection, answer. */
  readonly timeoutMs: number
  /** The longest body that is read. */
  readonly bytesMax: number
  readonly signal: AbortSignal | null
}

/** What became of it. */
export type WireReply =
  | {
      readonly outcome: 'answered'
      readonly status: number
      /** From `Retry-After`; null where there is none. */
      readonly retryAfterMs: number | null
      readonly body: Uint8Array
    }
  /** Nothing of the request was processed, as far as is known. */
  | { readonly outcome: 'unreachable'; readonly reason: string }
  | { readonly outcome: 'timed out' }
  | { readonly outcome: 'too large' }
  /** By `signal`. */
  | { readonly outcome: 'aborted' }

/** Replaced by a simulated network in tests of several servers. */
export interface FederationTransport {
  /** Never throws. */
  exchange(request: WireRequest): Promise<WireReply>
}
