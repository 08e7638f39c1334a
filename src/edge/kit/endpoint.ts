/** How an endpoint is written: its contract as data, and a function that gets only checked input. */
import type { Static, TObject, TProperties, TSchema } from 'typebox'
import type { RateLimitName } from '#config/rate-limits.ts'
import type { ServerName } from '#core/ids.ts'
import type { Answer } from '#kit/answer.ts'
import type { Origin } from '#kit/caller.ts'
import type { Services } from '#kit/services.ts'
import type { Caller } from '#services/accounts/caller.ts'

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

/**
 * `user` refuses guests (403 `M_GUEST_ACCESS_FORBIDDEN`); `optional` lets a request without a token pass; `server` takes
 * requests that another server signed.
 */
export type Auth = 'none' | 'optional' | 'user' | 'user-or-guest' | 'server'

type CallerOf<A extends Auth> = A extends 'none' | 'server' ? null : A extends 'optional' ? Caller | null : Caller

export type Input<A extends Auth, P extends TProperties, Q extends TProperties, B extends TSchema> = {
  readonly params: Static<TObject<P>>
  readonly query: Static<TObject<Q>>
  readonly body: Static<B>
  readonly caller: CallerOf<A>
  /** Those that the endpoint names. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The server that signed the request. */
  readonly origin: A extends 'server' ? ServerName : null
  /** Aborts when the client goes away (reason `'gone'`) or the server stops (`'stopping'`): then answer at once. */
  readonly signal: AbortSignal
} & Origin

type Contract<A extends Auth, P extends TProperties, Q extends TProperties, B extends TSchema> = {
  /** operationId in the specification's OpenAPI data, which a test compares; null for what it hasn't. */
  readonly spec: string | null
  readonly method: Method
  /**
   * `/_matrix/client/v3/rooms/{roomId}/leave`, or several of them for aliases; a parameter that only some of them have
   * is `Type.Optional`. Each `/_matrix/client/v3/` path answers under `/_matrix/client/r0/` too, without being listed.
   */
  readonly path: string | readonly string[]
  readonly auth: A
  /** Counted by the caller, or by address where there is none. */
  readonly rateLimit: RateLimitName | false
  /** Of the path, percent-decoded. A wrong one is 400 `M_INVALID_PARAM`. */
  readonly params?: P
  /** By schema: strings, integers, numbers, booleans, or arrays of them for keys that may be repeated. */
  readonly query?: Q
  /**
   * Where absent, a body is read and ignored. An empty one of POST or DELETE counts as `{}` if the schema takes that,
   * and a client's member that may be absent may be null instead.
   */
  readonly body?: B
  /**
   * `lossless` keeps numbers that JavaScript would change as raw JSON: for bodies that hold event content. What servers
   * send is always read like that.
   */
  readonly numbers?: 'plain' | 'lossless'
  /**
   * `form` reads `application/x-www-form-urlencoded` by the grammar of the query: for our own pages. `text` gives the
   * body as it is.
   */
  readonly bodyFormat?: 'json' | 'form' | 'text'
  readonly bodyBytesMax?: number
  /** Names of request headers that the handler reads, in lower case. */
  readonly headers?: readonly string[]
  /** The answer may wait for news: when the caller's session ends meanwhile, it is 401 `M_UNKNOWN_TOKEN`. */
  readonly longPoll?: boolean
  /** Returns the JSON of a 200, or an `Answer`. Throws `MatrixError` for every expected failure. */
  handle(input: Input<A, P, Q, B>, services: Services): Promise<object | Answer> | object | Answer
}

/** An endpoint of any types, as the server sees it. */
export type Endpoint = {
  readonly spec: string | null
  readonly method: Method
  readonly paths: readonly string[]
  readonly auth: Auth
  readonly rateLimit: RateLimitName | false
  readonly params: TProperties
  readonly query: TProperties
  readonly body: TSchema | null
  readonly numbers: 'plain' | 'lossless'
  readonly bodyFormat: 'json' | 'form' | 'text'
  readonly bodyBytesMax: number
  readonly headers: readonly string[]
  readonly longPoll: boolean
  handle(input: AnyInput, services: Services): Promise<object | Answer> | object | Answer
}

export type AnyInput = {
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly caller: Caller | null
  readonly origin: ServerName | null
  readonly signal: AbortSignal
} & Origin

/** The largest JSON body of the client API unless an endpoint says otherwise. */
export const BODY_BYTES_MAX = 1024 * 1024
/** The largest body that another server may send. */
export const FEDERATION_BODY_BYTES_MAX = 12.5 * 1024 * 1024

/** Declares an endpoint; the types of `handle`'s input follow from the schemas. Default-export the result. */
export function endpoint<
  A extends Auth,
  P extends TProperties = Record<never, never>,
  Q extends TProperties = Record<never, never>,
  B extends TSchema = TSchema,
>(contract: Contract<A, P, Q, B>): Endpoint {
  const listed = typeof contract.path === 'string' ? [contract.path] : contract.path
  return {
    spec: contract.spec,
    method: contract.method,
    paths: listed.flatMap(withOldPrefix),
    auth: contract.auth,
    rateLimit: contract.rateLimit,
    params: contract.params ?? {},
    query: contract.query ?? {},
    body: contract.body ?? null,
    numbers: contract.numbers ?? 'plain',
    bodyFormat: contract.bodyFormat ?? 'json',
    bodyBytesMax: contract.bodyBytesMax ?? (contract.auth === 'server' ? FEDERATION_BODY_BYTES_MAX : BODY_BYTES_MAX),
    headers: contract.headers ?? [],
    longPoll: contract.longPoll ?? false,
    handle: contract.handle as Endpoint['handle'],
  }
}

const V3 = '/_matrix/client/v3/'

function withOldPrefix(path: string): string[] {
  return path.startsWith(V3) ? [path, `/_matrix/client/r0/${path.slice(V3.length)}`] : [path]
}
