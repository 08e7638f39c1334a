/** HTTP around the endpoints: routing, limits, CORS, errors, and the orderly end. Fastify carries it. */
import type { Server } from 'node:http'
import { type AddressInfo, Server as NetServer } from 'node:net'
import { setImmediate as nextRound, setTimeout as sleep } from 'node:timers/promises'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Logger } from 'pino'
import { invalidParam, MatrixError, unrecognized } from '#core/matrix-error.ts'
import { Answer, text } from '#kit/answer.ts'
import { refuseConnection } from '#kit/connection-error.ts'
import { CORS_HEADERS } from '#kit/cors.ts'
import { BODY_BYTES_MAX, type Endpoint } from '#kit/endpoint.ts'
import { defectAnswer, errorAnswer } from '#kit/error-response.ts'
import { type AbortReason, InFlight } from '#kit/in-flight.ts'
import type { Metrics } from '#kit/metrics.ts'
import { pathPattern, routerPath } from '#kit/path-pattern.ts'
import { readBody } from '#kit/read-body.ts'
import { EndpointRunner, type RunDeps } from '#kit/run-endpoint.ts'

const HEADERS_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 60_000
/** How often Node looks for connections past those two. */
const TIMEOUT_CHECK_MS = 5_000
/** No byte in either direction for so long ends the connection; longer than any long poll. */
const IDLE_TIMEOUT_MS = 120_000
const KEEP_ALIVE_TIMEOUT_MS = 65_000
const HEADERS_COUNT_MAX = 100
const CONNECTIONS_MAX = 20_000
/** Longer than Node's limit for the whole head of a request (16 KiB): the schemas decide about lengths. */
const PARAM_LENGTH_MAX = 16_384
const USER_AGENT_LENGTH_MAX = 512
const LOGGED_PATH_LENGTH_MAX = 300
/** While stopping, how long requests that are already on their way over open connections are still taken. */
const LAST_REQUESTS_MS = 100
const DRAIN_MS_MAX = 10_000

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
}

declare module 'fastify' {
  interface FastifyRequest {
    abort: AbortController
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
  readonly #knownPaths: readonly RegExp[]
  #requestCount = 0

  constructor(deps: HttpDeps) {
    this.#deps = deps
    const paths = new Set(deps.endpoints.flatMap((endpoint) => endpoint.paths))
    this.#knownPaths = [...paths].map(pathPattern)
    this.#app = this.#makeApp()
    this.#app.get('/health', (_request, reply) => this.#send(reply, text('ok\n')))
    for (const endpoint of deps.endpoints) this.#route(new EndpointRunner(endpoint, deps))
  }

  /** Starts to accept. Port 0 takes a free one; the answer says which. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const { server } = this.#app
    limitConnections(server)
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
   * connections; after ten seconds whatever still runs is cut off.
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
    const deadline = new AbortController()
    await Promise.race([this.#inFlight.drained(), sleep(DRAIN_MS_MAX, undefined, { signal: deadline.signal })])
    deadline.abort()
    server.closeAllConnections()
    await this.#app.close()
  }

  #makeApp(): FastifyInstance {
    const { trustedProxies, tls, requestIdPrefix } = this.#deps
    const options = {
      trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
      bodyLimit: BODY_BYTES_MAX,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: IDLE_TIMEOUT_MS,
      return503OnClosing: false,
      genReqId: () => `${requestIdPrefix}-${(++this.#requestCount).toString(36)}`,
      routerOptions: { maxParamLength: PARAM_LENGTH_MAX, querystringParser: () => ({}) },
      frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
        this.#onRequest(request, reply)
        this.#send(reply, errorAnswer(invalidParam('The path is not a valid URL path')))
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
    app.addContentTypeParser('*', (request, payload, done) => {
      readBody(payload, request.routeOptions.bodyLimit).then((body) => done(null, body), done)
    })
    app.decorateRequest('abort')
    app.addHook('onRequest', (request, reply, done) => {
      this.#onRequest(request, reply)
      const early = earlyAnswer(request)
      if (early === null) done()
      else this.#send(reply, early)
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
        bodyLimit: endpoint.bodyBytesMax,
        config: { operation },
        handler: async (request, reply) => this.#send(reply, await this.#answer(runner, request)),
      })
    }
  }

  async #answer(runner: EndpointRunner, request: FastifyRequest): Promise<Answer> {
    try {
      return await runner.run({
        params: request.params as Readonly<Record<string, string | undefined>>,
        queryString: splitUrl(request).query,
        uri: request.raw.url ?? '',
        authorization: request.raw.headersDistinct['authorization'] ?? [],
        body: (request.body as Uint8Array | undefined) ?? NO_BODY,
        header: (name) => request.raw.headersDistinct[name]?.join(', '),
        signal: request.abort.signal,
        ip: request.ip,
        userAgent: request.headers['user-agent']?.slice(0, USER_AGENT_LENGTH_MAX) ?? null,
      })
    } catch (error) {
      return this.#errorAnswer(error, request)
    }
  }

  #onRequest(request: FastifyRequest, reply: FastifyReply): void {
    const abort = this.#inFlight.begin()
    request.abort = abort
    reply.headers(CORS_HEADERS)
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) abort.abort('gone' satisfies AbortReason)
      this.#inFlight.end(abort)
      this.#record(request, reply)
    })
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
    if (this.#inFlight.stopping) reply.header('connection', 'close')
    return reply.code(answer.status).headers(answer.headers).send(answer.body)
  }

  #errorAnswer(error: unknown, request: FastifyRequest): Answer {
    if (error instanceof MatrixError) return errorAnswer(error)
    // Fastify's own refusals of malformed requests. Their texts tell nothing about the server.
    const { statusCode, message } = error as { statusCode?: number; message?: string }
    if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
      return errorAnswer(new MatrixError('M_UNKNOWN', message ?? 'Bad request', { status: statusCode }))
    }
    const operation = request.routeOptions.config?.operation
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
