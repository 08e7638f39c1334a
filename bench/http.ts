/** A lean HTTP client: the load generator shares the machine with the server, so it must cost little. */
import { Agent, type IncomingMessage, request } from 'node:http'

export type Answer = { readonly status: number; readonly json: Record<string, unknown> }

export class Http {
  readonly #base: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 512 })

  constructor(base: string) {
    this.#base = new URL(base)
  }

  async text(method: string, path: string, token?: string, body?: object): Promise<{ status: number; text: string }> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
    const outgoing = request(
      {
        host: this.#base.hostname,
        port: this.#base.port,
        method,
        path,
        agent: this.#agent,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length }),
        },
      },
      (incoming: IncomingMessage) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        )
        incoming.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(payload)
    return promise
  }

  /** @throws when the answer isn't a success. */
  async json(method: string, path: string, token?: string, body?: object): Promise<Record<string, unknown>> {
    const { status, text } = await this.text(method, path, token, body)
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text.slice(0, 200)}`)
    return JSON.parse(text) as Record<string, unknown>
  }

  close(): void {
    this.#agent.destroy()
  }
}
