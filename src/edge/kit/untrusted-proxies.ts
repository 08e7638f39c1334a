import type { Logger } from 'pino'

/** Addresses that are warned of; anybody can send the header. */
const WARNED_MAX = 10

/**
 * Warns, once an address, of requests that carry `X-Forwarded-For` or `Forwarded` and don't come from one of the
 * `trusted_proxies`: if that is the operator's own proxy, all its users count as one address for the rate limits.
 */
export class UntrustedProxies {
  readonly #log: Logger
  readonly #warned = new Set<string>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** @param ip whom the request counts as; `address` is where its connection comes from */
  see(ip: string, address: string | undefined, headers: Readonly<Record<string, unknown>>): void {
    const isForwarded = headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined
    // Where the header was believed, the request counts as another address than its connection's.
    if (!isForwarded || address === undefined || ip !== address) return
    if (this.#warned.has(address) || this.#warned.size >= WARNED_MAX) return
    this.#warned.add(address)
    this.#log.warn(
      `${address} forwards requests and is not in trusted_proxies: all of its users count as one address for rate limits. If it is your proxy, add it there.`,
    )
  }
}
