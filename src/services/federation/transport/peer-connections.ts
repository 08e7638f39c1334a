/** HTTP over kept connections to other servers, a bounded number to each. */
import { LRUCache } from 'lru-cache'
import { type Dispatcher, Pool } from 'undici'
import type { PeerAddress } from '#services/federation/discovery/peer-address.ts'
import { ConnectError, type ConnectionRules, connectTls } from '#services/federation/transport/tls-connection.ts'
import { unlessAborted } from '#services/federation/transport/unless-aborted.ts'
import { TimeSlice } from '#services/time/time-slice.ts'

const PEERS_MAX = 2_000
const CONNECTIONS_PER_PEER_MAX = 6
const KEEP_ALIVE_MS = 20_000
const KEEP_ALIVE_MS_MAX = 60_000
/** Without a byte for so long, a request ends; each has its own limit for the whole besides. */
const SILENCE_MS_MAX = 60_000
const HEADERS_BYTES_MAX = 16_384
/** Connections go to the peer, whatever is written here. */
const ORIGIN = 'https://peer.invalid'

export type PeerRequest = {
  readonly method: Dispatcher.HttpMethod
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  readonly bytesMax: number
  readonly signal: AbortSignal
  /** Close the connection afterwards. */
  readonly once?: boolean
}

export type PeerReply = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
}

/** The answer is longer than asked for. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError'
}

/** The connection ended before an answer began; a kept one may have been about to be closed. */
export class ClosedError extends Error {
  override readonly name = 'ClosedError'
}

export class PeerConnections {
  readonly #rules: ConnectionRules
  readonly #pools: LRUCache<string, Pool>
  readonly #closing = new Set<Promise<void>>()

  constructor(rules: ConnectionRules) {
    this.#rules = rules
    this.#pools = new LRUCache({ max: PEERS_MAX, dispose: (pool) => this.#end(pool.close()) })
  }

  /**
   * Sends a request and reads the whole answer. Follows no redirects. Throws `ConnectError`, `ClosedError`,
   * `TooLargeError`, the reason of `signal`, or what undici says of a broken answer.
   */
  async request(peer: PeerAddress, request: PeerRequest): Promise<PeerReply> {
    const { method, path, body, signal, bytesMax, once = false } = request
    // Compressed answers could unpack to any size.
    const headers = { host: peer.hostHeader, 'accept-encoding': 'identity', ...request.headers }
    let answer: Dispatcher.ResponseData
    try {
      const answering = this.#pool(peer).request({ method, path, headers, body, signal, reset: once })
      // undici looks at the signal only once there is a connection.
      answer = await unlessAborted(answering, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ConnectError) throw error
      const { code } = error as { code?: string }
      if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE') {
        throw new ClosedError('the connection was closed', { cause: error })
      }
      throw error
    }
    const plain = plainHeaders(answer.headers)
    const encoding = plain['content-encoding'] ?? 'identity'
    if (encoding.toLowerCase() !== 'identity') {
      answer.body.on('error', () => {}).destroy()
      throw new Error(`the answer is encoded (${encoding.slice(0, 30)}) although that was not asked for`)
    }
    return { status: answer.statusCode, headers: plain, body: await readBody(answer, bytesMax, signal) }
  }

  /** Ends all connections, and with them the requests that are under way. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()]
    await Promise.all(pools.map((pool) => pool.destroy()))
    this.#pools.clear()
    await Promise.all(this.#closing)
  }

  #pool(peer: PeerAddress): Pool {
    const key = JSON.stringify([peer.host, peer.port, peer.tlsName, peer.hostHeader])
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const pool = new Pool(ORIGIN, {
      connections: CONNECTIONS_PER_PEER_MAX,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS_MAX,
      headersTimeout: SILENCE_MS_MAX,
      bodyTimeout: SILENCE_MS_MAX,
      maxHeaderSize: HEADERS_BYTES_MAX,
      connect: (_options, done) =>
        connectTls(peer, this.#rules, (error, socket) => {
          if (socket === null) done(error ?? new ConnectError('no connection'), null)
          else done(null, socket)
        }),
    })
    this.#pools.set(key, pool)
    return pool
  }

  #end(closed: Promise<void>): void {
    const ended = closed.catch(() => {}).finally(() => this.#closing.delete(ended))
    this.#closing.add(ended)
  }
}

function plainHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): PeerReply['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  )
}

async function readBody(answer: Dispatcher.ResponseData, bytesMax: number, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    // Leaving the loop early destroys the body, and with it the connection.
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > bytesMax) throw new TooLargeError(`the answer is longer than ${bytesMax} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  // Megabytes take their time.
  const timeSlice = new TimeSlice()
  const body = Buffer.concat(chunks, bytes)
  await timeSlice.yieldIfDue()
  return body
}
