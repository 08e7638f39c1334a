/** HTTP around the endpoints: routing, limits, CORS, errors, and the orderly end. Fastify carries it. */
import type { Server } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate as nextRound, setTimeout as sleep } from 'node:timers/promises'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Logger } from 'pino'
import { invalidParam, MatrixError, unrecognized } from '#core/matrix-error.ts'
import { UnavailableError } from '#core/unavailable-error.ts'
import { Answer, text } from '#kit/answer.ts'
import type { BodyBudget, BodyShare } from '#kit/body-budget.ts'
import { refuseConnection } from '#kit/connection-error.ts'
import { type ConnectionCounts, Connections, RequestQueue } from '#kit/connections.ts'
import { CORS_HEADERS } from '#kit/cors.ts'
import type { Endpoint } from '#kit/endpoint.ts'
import { defectAnswer, errorAnswer, unavailableAnswer } from '#kit/error-response.ts'
import { InFlight, OpenRequest } from '#kit/in-flight.ts'
import type { Metrics } from '#kit/metrics.ts'
import { pathPattern, routerPath } from '#kit/path-pattern.ts'
import { discardBody, hasBody, readBody } from '#kit/read-body.ts'
import { addressKey } from '#kit/request-address.ts'
import { EndpointRunner, type RunDeps } from '#kit/run-endpoint.ts'
import { UntrustedProxies } from '#kit/untrusted-proxies.ts'
import { limitExceeded } from '#services/rate-limits/rate-limiter.ts'

const HEADERS_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 60_000
/** How often Node looks for connections past those two. */
const TIMEOUT_CHECK_MS = 5_000
/** No byte in either direction for so long ends the connection; longer than any long poll. */
const IDLE_TIMEOUT_MS = 120_000
const KEEP_ALIVE_TIMEOUT_MS = 65_000
const HEADERS_COUNT_MAX = 100
const CONNECTIONS_MAX = 20_000
/** What a client is told to wait that sent too many requests in a row, in milliseconds. */
const PIPELINE_RETRY_MS = 1_000
/** Longer than Node's limit for the whole head of a request (16 KiB): the schemas decide about lengths. */
const PARAM_LENGTH_MAX = 16_384
const USER_AGENT_LENGTH_MAX = 512
const LOGGED_PATH_LENGTH_MAX = 300
/** While stopping, how long requests that are already on their way over open connections are still taken. */
const LAST_REQUESTS_MS = 100
/** How long what was accepted may take then. */
export const DRAIN_MS_MAX = 10_000
/** How long the answers of what took longer may take to leave. */
const FLUSH_MS_MAX = 300
/** When a client may come again that the stop cut off, in milliseconds. */
const STOPPED_RETRY_MS = 5_000

export type HttpDeps = RunDeps & {
  readonly endpoints: readonly Endpoint[]
  readonly log: Logger
  readonly metrics: Metrics
  /** Addresses or CIDR ranges whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
  /** PEM texts, or null for a listener without TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | null
  /** Starts every request id, so that ids of different runs and listeners differ. */
  readonly requestIdPrefix: string
  readonly bodyBudget: BodyBudget
  /** What keeps the server from its work, in a sentence for anybody; null where nothing does. */
  readonly healthProblem: () => Promise<string | null>
  readonly connectionCounts: ConnectionCounts
  /** Instead of ten seconds. */
  readonly drainMsMax?: number
}

declare module 'fastify' {
  interface FastifyRequest {
    open: OpenRequest
  }
  interface FastifyContextConfig {
    operation?: string
  }
}

const NO_BODY = new Uint8Array(0)

export class HttpServer {
  readonly #app: FastifyInstance
  readonly #deps: HttpDeps
  readonly #inFlight = new InFlight()
  readonly #connections: Connections
  readonly #queues = new WeakMap<Socket, RequestQueue>()
  readonly #knownPaths: readonly RegExp[]
  #requestCount = 0

  constructor(deps: HttpDeps) {
    this.#deps = deps
    this.#connections = new Connections(deps.connectionCounts)
    const paths = new Set(deps.endpoints.flatMap((endpoint) => endpoint.paths))
    this.#knownPaths = [...paths].map(pathPattern)
    this.#app = this.#makeApp()
    this.#app.get('/health', async (_request, reply) => this.#send(reply, healthAnswer(await deps.healthProblem())))
    for (const endpoint of deps.endpoints) this.#route(new EndpointRunner(endpoint, deps))
  }

  /** Starts to accept. Port 0 takes a free one; the answer says which. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const { server } = this.#app
    limitConnections(server)
    server.on('connection', (socket: Socket) => this.#connections.admit(socket))
    await this.#app.ready()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    return server.address() as AddressInfo
  }

  /**
   * Stops accepting, lets what was accepted finish (long polls are told to answer at once), then closes the
   * connections; after ten seconds what still runs is answered with 503 and cut off.
   */
  async stop(): Promise<void> {
    const { server } = this.#app
    this.#inFlight.stop()
    // http.Server.close would also cut connections that are idle at this instant, with a request perhaps under way on
    // them. Only the listening socket closes here; each answer from now on says `Connection: close`.
    NetServer.prototype.close.call(server)
    await sleep(LAST_REQUESTS_MS)
    // A timer that comes late comes before what has arrived meanwhile: that is read first.
    await nextRound()
    server.closeIdleConnections()
    const { log, drainMsMax = DRAIN_MS_MAX } = this.#deps
    await this.#drained(drainMsMax)
    if (this.#inFlight.size > 0) {
      log.warn(`${this.#inFlight.size} requests took too long and were cut off`)
      this.#inFlight.cutOff()
      await this.#drained(FLUSH_MS_MAX)
    }
    this.#connections.destroyAll()
    await this.#app.close()
  }

  /** Resolves when no request is open any more, or after so many milliseconds. */
  async #drained(msMax: number): Promise<void> {
    const deadline = new AbortController()
    await Promise.race([this.#inFlight.drained(), sleep(msMax, undefined, { signal: deadline.signal })])
    deadline.abort()
  }

  #makeApp(): FastifyInstance {
    const { trustedProxies, tls, requestIdPrefix } = this.#deps
    const options = {
      trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: IDLE_TIMEOUT_MS,
      return503OnClosing: false,
      genReqId: () => `${requestIdPrefix}-${(++this.#requestCount).toString(36)}`,
      routerOptions: { maxParamLength: PARAM_LENGTH_MAX, querystringParser: () => ({}) },
      frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
        this.#enter(request, reply, () => {
          this.#send(reply, errorAnswer(invalidParam('The path is not a valid URL path')))
        })
      },
      clientErrorHandler: refuseConnection,
    }
    const http = { connectionsCheckingInterval: TIMEOUT_CHECK_MS }
    const secure = tls === null ? null : { ...http, cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2' as const }
    // The type of Fastify depends on the kind of server, of which nothing here makes use.
    const app = (
      secure === null ? fastify({ ...options, http }) : fastify({ ...options, https: secure })
    ) as FastifyInstance
    app.removeAllContentTypeParsers()
    // Bodies are read when somebody wants them: see `#answer`.
    app.addContentTypeParser('*', (_request, _payload, done) => done(null))
    app.decorateRequest('open')
    const untrustedProxies = new UntrustedProxies(this.#deps.log)
    app.addHook('onRequest', (request, reply, done) => {
      untrustedProxies.see(request.ip, request.raw.socket.remoteAddress, request.headers)
      const isRefused = this.#queueOf(request.raw.socket).isFull
      this.#enter(request, reply, () => {
        const early = isRefused ? errorAnswer(limitExceeded(PIPELINE_RETRY_MS)) : earlyAnswer(request)
        if (early === null) done()
        else this.#send(reply, early)
      })
    })
    app.setErrorHandler((error, request, reply) => this.#send(reply, this.#errorAnswer(error, request)))
    app.setNotFoundHandler((request, reply) => this.#send(reply, this.#notFound(request)))
    return app
  }

  #route(runner: EndpointRunner): void {
    const { endpoint } = runner
    const operation = endpoint.spec ?? `${endpoint.method} ${endpoint.paths[0]}`
    for (const path of endpoint.paths) {
      this.#app.route({
        method: endpoint.method,
        url: routerPath(path),
        config: { operation },
        handler: async (request, reply) => this.#send(reply, await this.#answer(runner, request)),
      })
    }
  }

  async #answer(runner: EndpointRunner, request: FastifyRequest): Promise<Answer> {
    const { raw, ip, open } = request
    const share = this.#deps.bodyBudget.share(addressKey(ip))
    try {
      return await runner.run({
        params: request.params as Readonly<Record<string, string | undefined>>,
        queryString: splitUrl(request).query,
        uri: raw.url ?? '',
        authorization: raw.headersDistinct['authorization'] ?? [],
        readBody: () => bodyOf(request, runner.endpoint.bodyBytesMax, share),
        header: (name) => raw.headersDistinct[name]?.join(', '),
        signal: open.signal,
        over: open.over,
        ip,
        userAgent: request.headers['user-agent']?.slice(0, USER_AGENT_LENGTH_MAX) ?? null,
      })
    } catch (error) {
      return this.#errorAnswer(error, request)
    } finally {
      share.release()
    }
  }

  /** Takes a request in, and calls `begin` when it is its turn on its connection. */
  #enter(request: FastifyRequest, reply: FastifyReply, begin: () => void): void {
    const open = new OpenRequest(() => this.#send(reply, stoppedAnswer()))
    const queue = this.#queueOf(request.raw.socket)
    request.open = open
    reply.headers(CORS_HEADERS)
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) open.leave()
      this.#inFlight.end(open)
      this.#record(request, reply)
      queue.leave(open)
    })
    this.#inFlight.begin(open)
    queue.enter(open, begin)
  }

  #queueOf(socket: Socket): RequestQueue {
    let queue = this.#queues.get(socket)
    if (queue !== undefined) return queue
    queue = new RequestQueue()
    this.#queues.set(socket, queue)
    // Answers that wait behind others never hear that their connection has ended.
    socket.once('close', () => {
      for (const open of queue.end()) {
        open.leave()
        this.#inFlight.end(open)
      }
    })
    return queue
  }

  /** Tokens stand in queries, headers and some paths, so of what was routed only the operation is logged. */
  #record(request: FastifyRequest, reply: FastifyReply): void {
    const ms = Math.round(reply.elapsedTime)
    const { operation } = request.routeOptions.config ?? {}
    const status = reply.raw.statusCode
    this.#deps.metrics.observeRequest(operation ?? 'other', status, ms / 1000)
    const what =
      operation === undefined ? { path: splitUrl(request).path.slice(0, LOGGED_PATH_LENGTH_MAX) } : { operation }
    this.#deps.log.debug({ request: request.id, method: request.method, ...what, status, ms }, 'request')
  }

  #send(reply: FastifyReply, answer: Answer): FastifyReply {
    // The stop answered in the handler's place, or the client is gone.
    if (reply.sent) return reply
    if (this.#inFlight.stopping) reply.header('connection', 'close')
    const { status, headers, body } = answer
    reply
      // Fastify would add a charset to JSON, which has none (RFC 8259), and which other programs compare to the letter.
      .serializer(asItIs)
      .code(status)
      .headers(headers)
      .send(typeof body === 'string' ? body : Readable.from(body))
    discardBody(reply.request.raw)
    return reply
  }

  #errorAnswer(error: unknown, request: FastifyRequest): Answer {
    if (error instanceof MatrixError) return errorAnswer(error)
    if (error instanceof UnavailableError) return unavailableAnswer(error)
    // Fastify's own refusals of malformed requests. Their texts tell nothing about the server.
    const { statusCode, message } = error as { statusCode?: number; message?: string }
    if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
      return errorAnswer(new MatrixError('M_UNKNOWN', message ?? 'Bad request', { status: statusCode }))
    }
    const operation = request.routeOptions.config?.operation
    // What it asked is being closed under its hands, and nobody waits for it.
    if (request.open.over.aborted) {
      this.#deps.log.debug({ request: request.id, operation, err: error }, 'a request ended that nobody waited for')
      return defectAnswer(request.id)
    }
    this.#deps.log.error({ request: request.id, operation, err: error }, 'a request failed by a defect')
    return defectAnswer(request.id)
  }

  /** "404 for unknown endpoints, 405 where the method is wrong", both with `M_UNRECOGNIZED`. */
  #notFound(request: FastifyRequest): Answer {
    const { path } = splitUrl(request)
    if (!this.#knownPaths.some((pattern) => pattern.test(path))) return errorAnswer(unrecognized('Unknown endpoint'))
    return errorAnswer(new MatrixError('M_UNRECOGNIZED', 'The endpoint has no such method', { status: 405 }))
  }
}

const asItIs = (body: unknown): string => body as string

/** GET has none: what comes with it all the same is for nobody. */
async function bodyOf({ raw }: FastifyRequest, bytesMax: number, share: BodyShare): Promise<Uint8Array> {
  return raw.method === 'GET' || !hasBody(raw) ? NO_BODY : readBody(raw, bytesMax, share)
}

function healthAnswer(problem: string | null): Answer {
  return problem === null ? text('ok\n') : text(`${problem}\n`, { status: 503 })
}

function stoppedAnswer(): Answer {
  const error = new MatrixError('M_UNKNOWN', 'The server is stopping', {
    status: 503,
    extra: { retry_after_ms: STOPPED_RETRY_MS },
  })
  return errorAnswer(error)
}

function limitConnections(server: Server): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS
  server.maxHeadersCount = HEADERS_COUNT_MAX
  server.maxConnections = CONNECTIONS_MAX
}

function splitUrl(request: FastifyRequest): { path: string; query: string } {
  const url = request.raw.url ?? ''
  const mark = url.indexOf('?')
  return mark < 0 ? { path: url, query: '' } : { path: url.slice(0, mark), query: url.slice(mark + 1) }
}

/** Answers that need neither route nor body. Makes the body of everything else one that is read whatever its type. */
function earlyAnswer(request: FastifyRequest): Answer | null {
  // "Servers MUST NOT perform any logic on OPTIONS other than sending the headers."
  if (request.method === 'OPTIONS') return new Answer(204, {}, '')
  const { headers } = request.raw
  // A browser's form can send this to another site without asking first; no endpoint takes it.
  if (headers['content-type']?.toLowerCase().startsWith('multipart/'))
    return refusal('multipart bodies are not accepted')
  // Compressed bodies could unpack to any size.
  const encoding = headers['content-encoding']?.toLowerCase()
  if (encoding !== undefined && encoding !== 'identity') return refusal('Compressed bodies are not accepted')
  // "Content-Type" is not required, and some clients send a wrong one: what is JSON is read as JSON.
  delete headers['content-type']
  return null
}

function refusal(message: string): Answer {
  const { status, headers, body } = errorAnswer(new MatrixError('M_NOT_JSON', message))
  return new Answer(status, { ...headers, connection: 'close' }, body)
}
