/** The real network: discovery, TLS, HTTP. */
import type { PeerAddress } from '#services/federation/discovery/peer-address.ts'
import type { ServerDiscovery } from '#services/federation/discovery/server-discovery.ts'
import {
  ClosedError,
  type PeerConnections,
  type PeerReply,
  TooLargeError,
} from '#services/federation/transport/peer-connections.ts'
import { ConnectError } from '#services/federation/transport/tls-connection.ts'
import type { FederationTransport, WireReply, WireRequest } from '#services/federation/transport/transport.ts'
import { unlessAborted } from '#services/federation/transport/unless-aborted.ts'

type Deps = {
  readonly discovery: ServerDiscovery
  readonly connections: PeerConnections
  readonly userAgent: string
}

export class HttpsTransport implements FederationTransport {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async exchange(request: WireRequest): Promise<WireReply> {
    const timeout = AbortSignal.timeout(request.timeoutMs)
    const signal = request.signal === null ? timeout : AbortSignal.any([timeout, request.signal])
    try {
      return await this.#exchange(request, signal)
    } catch (error) {
      if (request.signal?.aborted) return { outcome: 'aborted' }
      if (timeout.aborted) return { outcome: 'timed out' }
      if (error instanceof TooLargeError) return { outcome: 'too large' }
      return { outcome: 'unreachable', reason: (error as Error).message }
    }
  }

  async #exchange(request: WireRequest, signal: AbortSignal): Promise<WireReply> {
    const { discovery } = this.#deps
    const { addresses, steps } = await unlessAborted(discovery.discover(request.destination), signal)
    const reasons: string[] = []
    for (const address of addresses) {
      try {
        return answered(await this.#send(address, request, signal))
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof ConnectError)) throw error
        reasons.push(`${address.host}:${address.port}: ${error.message}`)
      }
    }
    discovery.forget(request.destination)
    const fault = steps.find(({ ok }) => !ok)?.text
    return { outcome: 'unreachable', reason: reasons.join('; ') || (fault ?? 'no address') }
  }

  async #send(address: PeerAddress, request: WireRequest, signal: AbortSignal): Promise<PeerReply> {
    const { method, uri, authorization, body, bytesMax } = request
    const { connections, userAgent } = this.#deps
    const headers = {
      accept: 'application/json',
      'user-agent': userAgent,
      ...(authorization !== null && { authorization }),
      ...(body !== null && { 'content-type': 'application/json' }),
    }
    const send = () => connections.request(address, { method, path: uri, headers, body, bytesMax, signal })
    try {
      return await send()
    } catch (error) {
      // The other side may have been closing the connection while we wrote. GET and PUT may be repeated.
      if (error instanceof ClosedError && method !== 'POST') return send()
      throw error
    }
  }
}

function answered({ status, headers, body }: PeerReply): WireReply {
  return { outcome: 'answered', status, retryAfterMs: retryAfterMs(headers['retry-after']), body }
}

/** The form in seconds; the other, a date, depends on both clocks. */
function retryAfterMs(text: string | undefined): number | null {
  return text !== undefined && /^[0-9]{1,9}$/.test(text) ? Number(text) * 1000 : null
}
