/** A reverse proxy between clients and Hearth that holds every answer against the specification's schemas. */
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { misfit, operationOf } from '#test/system/harness/spec-schemas.ts'

export class Recorder {
  readonly url: string
  readonly #server: Server
  readonly #agent: Agent
  readonly #violations = new Set<string>()
  readonly #fitting = new Map<string, number>()

  private constructor(server: Server, agent: Agent, url: string) {
    this.#server = server
    this.#agent = agent
    this.url = url
  }

  /** Listens on a free port for what is meant for the server at `upstream`. */
  static async start(upstream: string): Promise<Recorder> {
    // No connection is used twice: one that was kept may belong to a server that was killed meanwhile.
    const agent = new Agent({ keepAlive: false })
    const server = createServer((incoming, outgoing) => {
      forward(incoming, outgoing, upstream, agent, (exchange) => recorder.#record(exchange)).catch(() => {
        // The server died or the client left: the other side sees what it would see without a proxy.
        outgoing.destroy()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const recorder = new Recorder(server, agent, `http://127.0.0.1:${port}`)
    return recorder
  }

  /** What did not fit, each kind once. */
  get violations(): readonly string[] {
    return [...this.#violations].sort()
  }

  /** How many successes of each operation fitted its schema. */
  get fitting(): ReadonlyMap<string, number> {
    return this.#fitting
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#agent.destroy()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  #record({ method, url, status, requestBody, body }: Exchange): void {
    // CORS preflights have no body to check.
    if (method === 'OPTIONS') return
    const operation = operationOf(method, url, parse(requestBody))
    const name = `${method} ${new URL(url, 'http://any').pathname}`
    if (status >= 500) this.#violations.add(`${name}: ${status} ${body.toString().slice(0, 300)}`)
    if (operation === null) return
    const problem = misfit(operation, status, parse(body))
    if (problem !== null) {
      this.#violations.add(`${operation.id} ${status}: ${problem.slice(0, 500)} in ${body.toString().slice(0, 600)}`)
    } else if (status < 300) {
      this.#fitting.set(operation.id, (this.#fitting.get(operation.id) ?? 0) + 1)
    }
  }
}

type Exchange = { method: string; url: string; status: number; requestBody: Buffer; body: Buffer }

async function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  upstream: string,
  agent: Agent,
  record: (exchange: Exchange) => void,
): Promise<void> {
  const requestBody = await buffer(incoming)
  const { method = 'GET', url = '/' } = incoming
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const onward = request(`${upstream}${url}`, { method, headers: incoming.headers, agent }, resolve)
  onward.on('error', reject)
  outgoing.on('close', () => onward.destroy())
  onward.end(requestBody)
  const answer = await promise
  const body = await buffer(answer)
  const status = answer.statusCode ?? 0
  record({ method, url, status, requestBody, body })
  outgoing.writeHead(status, answer.headers)
  outgoing.end(body)
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch {
    return body.toString('utf8')
  }
}
