/** From a server name to the addresses where the server may be (server-server API, "Resolving server names"). */
import type { ServerName } from '#core/ids.ts'
import { parseServerName, type ServerNameParts } from '#core/server-name.ts'
import { ExpiringCache } from '#services/federation/discovery/expiring-cache.ts'
import type { Discovered, DiscoveryStep, PeerAddress } from '#services/federation/discovery/peer-address.ts'
import { isServiceDenied, orderSrv, type ResolveSrv, type SrvRecord } from '#services/federation/discovery/srv.ts'
import {
  cachedMs,
  type FetchWellKnown,
  readWellKnown,
  type WellKnown,
} from '#services/federation/discovery/well-known.ts'

const DEFAULT_PORT = 8448
const PORT_MAX = 65_535
const NAMES_CACHED_MAX = 10_000
/** Node doesn't tell how long records may be kept. */
const SRV_CACHED_MS = 300_000
/** "Errors are recommended to be cached for up to an hour." */
const FAILURE_CACHED_MS_MAX = 3_600_000
const DOUBLINGS_MAX = 30

type Deps = {
  readonly fetchWellKnown: FetchWellKnown
  readonly resolveSrv: ResolveSrv
  /** Server name → `host:port`. */
  readonly overrides: Readonly<Record<string, string>>
  /** The pause after failures: the first, and the longest. */
  readonly retry: { readonly baseMs: number; readonly maxMs: number }
  readonly clock: () => number
  /** Gives a number from 0 to 1 (1 excluded). */
  readonly random: () => number
}

type SrvAnswer = { readonly records: readonly SrvRecord[]; readonly step: DiscoveryStep }

export class ServerDiscovery {
  readonly #deps: Deps
  readonly #wellKnown: ExpiringCache<WellKnown>
  readonly #srv: ExpiringCache<SrvAnswer>

  constructor(deps: Deps) {
    this.#deps = deps
    this.#wellKnown = new ExpiringCache(NAMES_CACHED_MAX, deps.clock)
    this.#srv = new ExpiringCache(NAMES_CACHED_MAX, deps.clock)
  }

  /** Never throws: what went wrong stands in the steps. */
  async discover(server: ServerName): Promise<Discovered> {
    const parts = parseServerName(server)
    if (parts === null) return { addresses: [], steps: [{ step: 'name', ok: false, text: 'is no server name' }] }
    const { overrides } = this.#deps
    if (Object.hasOwn(overrides, server)) return overridden(server, parts, overrides[server] ?? '')
    if (parts.kind !== 'dns' || parts.port !== null) return this.#locate(parts)
    const { delegate, ok, text } = await this.#fetchWellKnown(parts.hostname)
    const step: DiscoveryStep = {
      step: 'well-known',
      ok,
      text: `https://${parts.hostname}/.well-known/matrix/server ${text}`,
    }
    const target = delegate === null ? null : parseServerName(delegate)
    const { addresses, steps } = await this.#locate(target ?? parts)
    return { addresses, steps: [step, ...steps] }
  }

  /** Looks again next time: nobody answered where the server should be. */
  forget(server: ServerName): void {
    const hostname = parseServerName(server)?.hostname
    if (hostname !== undefined) this.#wellKnown.expire(hostname)
  }

  /** The steps that are the same for a server name and for the name that it delegates to. */
  async #locate(parts: ServerNameParts): Promise<Discovered> {
    const { kind, hostname, port } = parts
    const hostHeader = textOf(parts)
    if (port !== null && (port === 0 || port > PORT_MAX)) {
      return { addresses: [], steps: [{ step: 'explicit port', ok: false, text: `there is no port ${port}` }] }
    }
    const address: PeerAddress = { host: hostname, port: port ?? DEFAULT_PORT, tlsName: hostname, hostHeader }
    const text = `${kind === 'ipv6' ? `[${hostname}]` : hostname}:${address.port}`
    if (kind !== 'dns') return { addresses: [address], steps: [{ step: 'ip literal', ok: true, text }] }
    if (port !== null) return { addresses: [address], steps: [{ step: 'explicit port', ok: true, text }] }
    return this.#locateByRecords(hostname, { addresses: [address], steps: [{ step: 'default port', ok: true, text }] })
  }

  async #locateByRecords(hostname: string, otherwise: Discovered): Promise<Discovered> {
    const steps: DiscoveryStep[] = []
    // The second name is deprecated: "it uses a service name not registered by IANA".
    for (const name of [`_matrix-fed._tcp.${hostname}`, `_matrix._tcp.${hostname}`]) {
      const { records, step } = await this.#resolveSrv(name)
      steps.push(step)
      if (records.length === 0) continue
      if (isServiceDenied(records)) return { addresses: [], steps }
      const addresses = orderSrv(records, this.#deps.random)
        .filter(({ port }) => port > 0)
        .map(({ name: host, port }) => ({ host, port, tlsName: hostname, hostHeader: hostname }))
      return { addresses, steps }
    }
    return { addresses: otherwise.addresses, steps: [...steps, ...otherwise.steps] }
  }

  #fetchWellKnown(hostname: string): Promise<WellKnown> {
    const { fetchWellKnown, clock, random, retry } = this.#deps
    return this.#wellKnown.get(hostname, async (expired) => {
      const reply = await fetchWellKnown(hostname)
      const read = readWellKnown(reply)
      if (read.delegate !== null) {
        return { value: { ...read, failures: 0 }, untilTs: clock() + cachedMs(reply, clock(), random) }
      }
      const failures = expired?.failures ?? 0
      const pause = retry.baseMs * 2 ** Math.min(failures, DOUBLINGS_MAX)
      const untilTs = clock() + Math.min(pause, retry.maxMs, FAILURE_CACHED_MS_MAX)
      return { value: { ...read, failures: failures + 1 }, untilTs }
    })
  }

  #resolveSrv(name: string): Promise<SrvAnswer> {
    const { resolveSrv, clock, retry } = this.#deps
    return this.#srv.get(name, async () => {
      try {
        const records = await resolveSrv(name)
        const text = records.length === 0 ? `${name}: no records` : `${name}: ${records.map(recordText).join(', ')}`
        const step: DiscoveryStep = { step: 'srv', ok: !isServiceDenied(records), text }
        return { value: { records, step }, untilTs: clock() + SRV_CACHED_MS }
      } catch (error) {
        // The rest of the way is safe without an answer: the certificate must name the same host.
        const step: DiscoveryStep = { step: 'srv', ok: false, text: `${name}: ${(error as Error).message}` }
        return { value: { records: [], step }, untilTs: clock() + Math.min(retry.baseMs, SRV_CACHED_MS) }
      }
    })
  }
}

/** "Skips well-known, SRV and 8448; SNI and Host keep the name." */
function overridden(server: ServerName, parts: ServerNameParts, to: string): Discovered {
  const target = parseServerName(to)
  if (target === null) {
    return {
      addresses: [],
      steps: [{ step: 'override', ok: false, text: `federation.server_overrides: no address: ${to}` }],
    }
  }
  const port = target.port ?? DEFAULT_PORT
  const address = { host: target.hostname, port, tlsName: parts.hostname, hostHeader: server }
  return { addresses: [address], steps: [{ step: 'override', ok: true, text: `federation.server_overrides: ${to}` }] }
}

function textOf({ kind, hostname, port }: ServerNameParts): string {
  return `${kind === 'ipv6' ? `[${hostname}]` : hostname}${port === null ? '' : `:${port}`}`
}

const recordText = ({ name, port }: SrvRecord) => `${name}:${port}`
