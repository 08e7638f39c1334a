/**
 * A network without sockets between the servers of one process: each request goes through the same endpoints as over
 * HTTP, signature and all. `faults` may lose, delay or repeat what is sent.
 */
import type { ServerName } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { Answer } from '#kit/answer.ts'
import type { Endpoint } from '#kit/endpoint.ts'
import { errorAnswer } from '#kit/error-response.ts'
import { pathPattern } from '#kit/path-pattern.ts'
import { EndpointRunner, type RunDeps } from '#kit/run-endpoint.ts'
import type { FederationTransport, WireReply, WireRequest } from '#services/federation/transport/transport.ts'

/** A server as the network sees it. */
export type WireServer = (request: WireRequest) => Promise<WireReply>

/** Decides what becomes of one request: `deliver` hands it over, any number of times, and brings the answer. */
export type Faults = (from: ServerName, request: WireRequest, deliver: () => Promise<WireReply>) => Promise<WireReply>

const UNREACHABLE: WireReply = { outcome: 'unreachable', reason: 'no such server' }

export class InMemoryNetwork {
  readonly #servers = new Map<ServerName, WireServer>()
  readonly #faults: Faults

  constructor(faults: Faults = (_from, _request, deliver) => deliver()) {
    this.#faults = faults
  }

  attach(name: ServerName, server: WireServer): void {
    this.#servers.set(name, server)
  }

  /** From now on nobody reaches it. */
  detach(name: ServerName): void {
    this.#servers.delete(name)
  }

  /** What a server sends through. */
  transportOf(from: ServerName): FederationTransport {
    return {
      exchange: (request) =>
        this.#faults(from, request, async () => {
          const server = this.#servers.get(request.destination)
          if (server === undefined) return UNREACHABLE
          const reply = await server(request)
          return reply.outcome === 'answered' && reply.body.length > request.bytesMax ? { outcome: 'too large' } : reply
        }),
    }
  }
}

const NEVER = new AbortController().signal

/** Serves endpoints as the HTTP server does. What is no `MatrixError` goes to `onDefect`, and is answered with 500. */
export function endpointServer(
  endpoints: readonly Endpoint[],
  deps: RunDeps,
  onDefect: (error: unknown) => void,
): WireServer {
  const routes = endpoints.flatMap((endpoint) => {
    const runner = new EndpointRunner(endpoint, deps)
    return endpoint.paths.map((path) => ({ runner, path, pattern: pathPattern(path), method: endpoint.method }))
  })
  return async (request) => {
    const [path = '', queryString = ''] = splitOnce(request.uri, '?')
    const route = routes.find(({ pattern, method }) => method === request.method && pattern.test(path))
    if (route === undefined) return answered(errorAnswer(new MatrixError('M_UNRECOGNIZED', 'Unknown endpoint')))
    try {
      const answer = await route.runner.run({
        params: pathParameters(route.path, path),
        queryString,
        uri: request.uri,
        authorization: request.authorization === null ? [] : [request.authorization],
        readBody: async () => Buffer.from(request.body ?? ''),
        header: () => undefined,
        signal: NEVER,
        over: NEVER,
        ip: '127.0.0.1',
        userAgent: null,
      })
      return await answered(answer)
    } catch (error) {
      if (!(error instanceof MatrixError)) onDefect(error)
      return await answered(errorAnswer(error instanceof MatrixError ? error : new MatrixError('M_UNKNOWN', 'Defect')))
    }
  }
}

async function answered({ status, body }: Answer): Promise<WireReply> {
  const text = typeof body === 'string' ? body : (await Array.fromAsync(body)).join('')
  return { outcome: 'answered', status, retryAfterMs: null, body: Buffer.from(text) }
}

function pathParameters(pattern: string, path: string): Record<string, string> {
  const values = path.split('/')
  const entries = pattern.split('/').flatMap((part, index): [string, string][] => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1]
    return name === undefined ? [] : [[name, decodeURIComponent(values[index] ?? '')]]
  })
  return Object.fromEntries(entries)
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
