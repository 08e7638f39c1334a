/** Addresses and SRV records of names, each in bounded time, and no name at the expense of others. */
import type { LookupAddress } from 'node:dns'
import { Resolver, lookup as systemLookup } from 'node:dns/promises'
import type { SrvRecord } from '#services/federation/discovery/srv.ts'
import { HostsFile } from '#services/federation/transport/hosts-file.ts'
import type { LookupAll } from '#services/federation/transport/tls-connection.ts'

export type QuestionLimits = {
  /** Until a question is asked again. */
  readonly tryMs: number
  /** Until it is given up, whatever number of name servers were asked. */
  readonly totalMs: number
  /** How long the addresses of one family wait for those of the other. */
  readonly otherFamilyMs: number
}

/** The four questions of a server's discovery together stay below what a request may take. */
const LIMITS: QuestionLimits = { tryMs: 3_000, totalMs: 6_000, otherFamilyMs: 500 }
const TRIES = 2
/** Questions to the system's own resolver that wait for their turn. */
const WAITING_MAX = 20

type Deps = {
  /** `host:port` each, instead of the system's name servers. */
  readonly nameServers?: readonly string[] | undefined
  readonly hosts?: HostsFile
  readonly limits?: QuestionLimits
  /** By the system's own resolver, which knows more ways than DNS. */
  readonly lookupBySystem?: LookupAll
}

export class NameResolver {
  readonly #nameServers: readonly string[] | undefined
  readonly #hosts: HostsFile
  readonly #limits: QuestionLimits
  readonly #lookupBySystem: LookupAll
  #systemTurn: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(deps: Deps = {}) {
    this.#nameServers = deps.nameServers
    this.#hosts = deps.hosts ?? new HostsFile()
    this.#limits = deps.limits ?? LIMITS
    this.#lookupBySystem = deps.lookupBySystem ?? ((host) => systemLookup(host, { all: true }))
  }

  /**
   * All addresses of a name: of the hosts file, else of DNS, else of whatever else the system asks. The system's resolver
   * comes last since it works in few threads, each of which a name server that doesn't answer keeps for long.
   *
   * Rejects where there are none, or no answer came in time.
   */
  async lookup(host: string): Promise<readonly LookupAddress[]> {
    const known = await this.#hosts.addresses(host)
    if (known.length > 0) return known
    const found = await this.#ask(host, (resolver, stop) => this.#lookupByDns(resolver, host, stop))
    return found.length > 0 ? found : this.#lookupInTurn(host)
  }

  /** The SRV records of a name; none if it has none. Rejects where the question couldn't be answered in time. */
  async resolveSrv(name: string): Promise<readonly SrvRecord[]> {
    return this.#ask(name, (resolver) => resolver.resolveSrv(name).catch((error) => noneIf(ABSENT, error)))
  }

  /** None where the name servers say so, or there are no name servers. */
  async #lookupByDns(resolver: Resolver, host: string, stop: () => void): Promise<LookupAddress[]> {
    const families = [6, 4] as const
    let timer: NodeJS.Timeout | undefined
    const asked = families.map(async (family) => {
      const answer = family === 6 ? resolver.resolve6(host) : resolver.resolve4(host)
      const addresses = await answer.catch((error) => noneIf(ABSENT_OR_UNASKED, error))
      if (addresses.length > 0) timer ??= setTimeout(stop, this.#limits.otherFamilyMs)
      return addresses.map((address) => ({ address, family }))
    })
    const answers = await Promise.allSettled(asked)
    clearTimeout(timer)
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    const failure = answers.find((answer) => answer.status === 'rejected')
    if (found.length === 0 && failure !== undefined) throw failure.reason
    return found
  }

  /**
   * Asks with a resolver of its own, so that it can be given up alone, knows the name servers of now, and waits for slow
   * ones although others were quick: what is kept between questions shortens the time for each try.
   */
  async #ask<T>(name: string, question: (resolver: Resolver, stop: () => void) => Promise<T>): Promise<T> {
    const { tryMs, totalMs } = this.#limits
    const resolver = new Resolver({ timeout: tryMs, tries: TRIES })
    if (this.#nameServers !== undefined) resolver.setServers(this.#nameServers)
    const stop = () => resolver.cancel()
    const timer = setTimeout(stop, totalMs)
    try {
      return await question(resolver, stop)
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (code !== 'ECANCELLED' && code !== 'ETIMEOUT') throw error
      throw new Error(`no answer to DNS questions about ${name} in time`, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  /** One question at a time: most of the system's threads stay free, whatever becomes of it. */
  async #lookupInTurn(host: string): Promise<readonly LookupAddress[]> {
    if (this.#waiting >= WAITING_MAX) throw new Error(`${host} has no address in DNS`)
    this.#waiting += 1
    let isOver = false
    const before = this.#systemTurn
    const turn = (async () => {
      await before
      this.#waiting -= 1
      return isOver ? [] : this.#lookupBySystem(host)
    })()
    this.#systemTurn = turn.catch(() => {})
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(new Error(`${host} has no address in DNS`)), this.#limits.totalMs)
    try {
      return await Promise.race([turn, late])
    } finally {
      isOver = true
      clearTimeout(timer)
    }
  }
}

const ABSENT: readonly unknown[] = ['ENOTFOUND', 'ENODATA']
/** Without name servers the system may still know a way. */
const ABSENT_OR_UNASKED: readonly unknown[] = [...ABSENT, 'ECONNREFUSED']

function noneIf(codes: readonly unknown[], error: unknown): never[] {
  if (codes.includes((error as { code?: unknown }).code)) return []
  throw error
}
