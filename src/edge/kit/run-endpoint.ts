/** One request through one endpoint: who, how often, what, then the handler. */

import { Answer, jsonAnswer } from '#kit/answer.ts'
import { accessToken, authenticateRequest } from '#kit/authentication.ts'
import type { Authenticate, AuthenticateServer, Origin } from '#kit/caller.ts'
import { CALLER_POLLS_MAX, CALLER_RUNNING_MAX, type CallerTurns, clientGone } from '#kit/caller-turns.ts'
import type { AnyInput, Endpoint } from '#kit/endpoint.ts'
import type { LongPolls } from '#kit/long-polls.ts'
import { parseQueryString } from '#kit/query-string.ts'
import { type InputReader, inputReader } from '#kit/read-input.ts'
import { addressKey } from '#kit/request-address.ts'
import type { Services } from '#kit/services.ts'
import type { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import type { ServerLimiter } from '#services/rate-limits/server-limiter.ts'

export type RunDeps = {
  readonly services: Services
  readonly authenticate: Authenticate
  readonly authenticateServer: AuthenticateServer
  readonly limiter: RateLimiter
  readonly serverLimiter: ServerLimiter
  readonly longPolls: LongPolls
  readonly callerTurns: CallerTurns
}

/** A request as it came, before any of it is believed. */
export type RawRequest = Origin & {
  readonly params: Readonly<Record<string, string | undefined>>
  /** What follows the '?', still encoded. */
  readonly queryString: string
  /** Path and query as they came. */
  readonly uri: string
  /** Each header of that name. */
  readonly authorization: readonly string[]
  /**
   * Reads the body: not before it is known that whoever sends it may, since it takes memory. Once.
   * @throws MatrixError M_TOO_LARGE, M_LIMIT_EXCEEDED; M_NOT_JSON where it ends early
   */
  readBody(): Promise<Uint8Array>
  /** A header by its name in lower case. */
  header(name: string): string | undefined
  /** Tells the handler to answer at once. */
  readonly signal: AbortSignal
  /** Aborts when nobody waits for the answer any more. */
  readonly over: AbortSignal
}

export class EndpointRunner {
  readonly endpoint: Endpoint
  readonly #reader: InputReader
  readonly #deps: RunDeps

  constructor(endpoint: Endpoint, deps: RunDeps) {
    this.endpoint = endpoint
    this.#reader = inputReader(endpoint)
    this.#deps = deps
  }

  /** Throws `MatrixError` for expected failures. */
  async run(request: RawRequest): Promise<Answer> {
    return this.endpoint.auth === 'server' ? this.#runForServer(request) : this.#runForClient(request)
  }

  async #runForServer(request: RawRequest): Promise<Answer> {
    const { endpoint } = this
    const { services, authenticateServer, limiter, serverLimiter } = this.#deps
    const { uri, authorization, ip, userAgent, signal } = request
    let bytes = 0
    const readBody = async () => {
      const body = await request.readBody()
      bytes = body.length
      return body
    }
    const { method } = endpoint
    const address = addressKey(ip)
    const { origin, content } = await authenticateServer({ method, uri, authorization, address, readBody })
    if (endpoint.rateLimit !== false) limiter.take(endpoint.rateLimit, origin)
    const params = this.#reader.params(request.params)
    const query = this.#reader.query(parseQueryString(request.queryString))
    const body = this.#reader.parsedBody(content)
    const headers = headersOf(endpoint, request)
    const input = { params, query, body, headers, caller: null, origin, signal, ip, userAgent }
    const handle = () => {
      if (request.over.aborted) throw clientGone()
      return endpoint.handle(input, services)
    }
    return asAnswer(await serverLimiter.run(origin, { bytes, signal }, handle))
  }

  async #runForClient(request: RawRequest): Promise<Answer> {
    const { endpoint } = this
    const { authenticate, limiter, callerTurns } = this.#deps
    const { ip, userAgent, over } = request
    const query = parseQueryString(request.queryString)
    const token = accessToken(request.authorization[0], query)
    const caller = await authenticateRequest(endpoint.auth, token, { ip, userAgent }, authenticate)
    const key = caller?.userId ?? addressKey(ip)
    if (endpoint.rateLimit !== false) limiter.take(endpoint.rateLimit, key)
    const params = this.#reader.params(request.params)
    const checked = { params, query: this.#reader.query(query), caller }
    // Those that wait for news are counted apart: they do nothing, and must not keep others waiting.
    const [turnKey, runningMax] = endpoint.longPoll ? [`poll ${key}`, CALLER_POLLS_MAX] : [key, CALLER_RUNNING_MAX]
    return callerTurns.run(turnKey, runningMax, over, () => this.#handle(request, checked))
  }

  async #handle(request: RawRequest, checked: Pick<AnyInput, 'params' | 'query' | 'caller'>): Promise<Answer> {
    const { endpoint } = this
    const { services, longPolls } = this.#deps
    const { ip, userAgent, signal } = request
    const bytes = endpoint.body === null ? NO_BODY : await request.readBody()
    const body = await this.#reader.body(bytes)
    if (request.over.aborted) throw clientGone()
    const input = { ...checked, body, headers: headersOf(endpoint, request), origin: null, signal, ip, userAgent }
    const answer =
      endpoint.longPoll && checked.caller !== null
        ? await longPolls.run(checked.caller, signal, async (signal) => endpoint.handle({ ...input, signal }, services))
        : await endpoint.handle(input, services)
    return asAnswer(answer)
  }
}

function headersOf({ headers }: Endpoint, request: RawRequest): AnyInput['headers'] {
  return Object.fromEntries(headers.map((name) => [name, request.header(name)]))
}

function asAnswer(answer: object): Answer {
  return answer instanceof Answer ? answer : jsonAnswer(answer)
}

const NO_BODY = new Uint8Array(0)
