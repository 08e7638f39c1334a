/** Gets well-known files: the only requests whose redirects are followed, each hop checked like the first. */
import type { PeerAddress } from '#services/federation/discovery/peer-address.ts'
import type { FetchWellKnown, WellKnownReply } from '#services/federation/discovery/well-known.ts'
import { type PeerConnections, TooLargeError } from '#services/federation/transport/peer-connections.ts'

export const WELL_KNOWN_BYTES_MAX = 50 * 1024
export const REDIRECTS_MAX = 10
const TIMEOUT_MS = 10_000
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308]

type Deps = {
  readonly connections: PeerConnections
  readonly userAgent: string
  /** Of HTTPS. */
  readonly port?: number
  readonly timeoutMs?: number
}

export function wellKnownFetcher({ connections, userAgent, port = 443, timeoutMs = TIMEOUT_MS }: Deps): FetchWellKnown {
  return async (hostname) => {
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      return await follow(new URL(`https://${hostname}:${port}/.well-known/matrix/server`), signal)
    } catch (error) {
      if (signal.aborted) return { failure: `gave no answer within ${timeoutMs} ms` }
      if (error instanceof TooLargeError) return { failure: `is longer than ${WELL_KNOWN_BYTES_MAX} bytes` }
      return { failure: `can't be fetched: ${(error as Error).message}` }
    }
  }

  async function follow(start: URL, signal: AbortSignal): Promise<WellKnownReply> {
    let url = start
    for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
      const reply = await connections.request(peerOf(url), {
        method: 'GET',
        path: url.pathname + url.search,
        headers: { accept: 'application/json', 'user-agent': userAgent },
        body: null,
        bytesMax: WELL_KNOWN_BYTES_MAX,
        signal,
        once: true,
      })
      const location = REDIRECTS.includes(reply.status) ? reply.headers['location'] : undefined
      if (location === undefined) return reply
      url = new URL(location, url)
      // Anybody on the way could answer a request without TLS.
      if (url.protocol !== 'https:') return { failure: `redirects to ${url.protocol}` }
    }
    return { failure: `redirects more than ${REDIRECTS_MAX} times` }
  }
}

function peerOf(url: URL): PeerAddress {
  const host = url.hostname.replace(/^\[(.*)\]$/s, '$1')
  return { host, port: url.port === '' ? 443 : Number(url.port), tlsName: host, hostHeader: url.host }
}
