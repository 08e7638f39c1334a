/** Where the keys come from that signatures are checked by. */
import { encodeBase64 } from '#core/crypto.ts'
import type { KeyLookup } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { FetchPauses } from '#services/federation/keys/fetch-pauses.ts'
import { FetchSlots, type SlotLimits } from '#services/federation/keys/fetch-slots.ts'
import { inParallel } from '#services/federation/keys/in-parallel.ts'
import { type KeyFetcher, NOTARY_SERVERS_MAX } from '#services/federation/keys/key-fetcher.ts'
import type { KnownKeys } from '#services/federation/keys/known-keys.ts'
import {
  fitsEvent,
  fitsRequest,
  KEY_VALID_MS_MAX,
  keyRows,
  type ServerKeys,
} from '#services/federation/keys/server-keys.ts'
import type { RetrySettings } from '#services/federation/transport/back-off.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Timers } from '#services/time/timers.ts'
import type { ServerKeyRow } from '#store/types/server-keys.ts'

/** Servers asked for their keys at the same time, for one batch. */
const DIRECT_AT_ONCE = 50
/** How long a batch waits for servers themselves, before notaries are asked; their answers are still taken later. */
const DIRECT_MS_MAX = 5_000
const SUPPLIERS_MAX = 5
/** For requests whose origin has never proved anything, and whoever asks us about others' keys; on behalf of addresses. */
const STRANGERS: SlotLimits = { running: 50, runningEach: 10, waiting: 500, waitingEach: 50 }
/** For requests of servers whose keys we know, though not those that they name. */
const KNOWN_SERVERS: SlotLimits = STRANGERS
/** For events, on behalf of who supplied them: over all batches. */
const EVENTS: SlotLimits = {
  running: 2 * DIRECT_AT_ONCE,
  runningEach: DIRECT_AT_ONCE,
  waiting: 2_000,
  waitingEach: 500,
}

/** A signature to be checked: it needs one of these keys, as it was at that time. */
export type KeyWant = {
  readonly server: ServerName
  readonly keyIds: readonly string[]
  /** `origin_server_ts`; null in room versions that believe a key at any time. */
  readonly atTs: number | null
}

export type GatherOptions = {
  /** Who supplied the events: asked, in batches, for keys that nobody else has. What they say counts for this batch. */
  readonly suppliers?: readonly ServerName[]
  readonly signal?: AbortSignal
}

/** The keys for a batch. */
export type GatheredKeys = {
  /** The keys of a server that may have signed an event of that time (null: of any). */
  eventKeys(server: ServerName, atTs: number | null): KeyLookup
}

type Deps = {
  readonly serverName: ServerName
  readonly known: KnownKeys
  readonly fetcher: KeyFetcher
  readonly trustedNotaries: readonly ServerName[]
  readonly retry: RetrySettings
  readonly clock: () => number
  readonly timers: Timers
}

type Rows = Map<ServerName, readonly ServerKeyRow[]>

export class KeyRing {
  readonly #deps: Deps
  readonly #pauses: FetchPauses
  readonly #fetching = new Map<ServerName, Promise<void>>()
  /** Searches for the keys of requests, each for all requests of that server meanwhile. */
  readonly #searches = new Map<ServerName, Promise<void>>()
  readonly #strangers = new FetchSlots(STRANGERS)
  readonly #knownServers = new FetchSlots(KNOWN_SERVERS)
  readonly #events = new FetchSlots(EVENTS)

  constructor(deps: Deps) {
    this.#deps = deps
    this.#pauses = new FetchPauses(deps.retry, deps.clock)
  }

  /** Finds the keys for events: known ones, from the servers, from trusted notaries, from the suppliers. */
  async gather(wants: readonly KeyWant[], options: GatherOptions = {}): Promise<GatheredKeys> {
    const { known, trustedNotaries, clock } = this.#deps
    const signal = options.signal ?? null
    // No key is believed further ahead, whatever anybody says.
    const latest = clock() + KEY_VALID_MS_MAX
    const reachable = await latestOfEach(
      wants,
      ({ server, atTs, keyIds }) => server !== this.#deps.serverName && keyIds.length > 0 && (atTs ?? 0) <= latest,
    )
    const rows: Rows = await known.of(new Set(wants.map(({ server }) => server)))
    const open = () => reachable.filter((want) => !isMet(want, rows.get(want.server)))
    const relearn = async () => {
      for (const [server, keys] of await known.of(new Set(open().map(({ server }) => server)))) rows.set(server, keys)
    }
    if (open().length > 0) await this.#askServers(open(), options.suppliers?.[0] ?? '', relearn)
    for (const notary of trustedNotaries) {
      if (open().length === 0 || signal?.aborted) break
      await this.#askNotary(notary, open(), signal, (keys) => known.learn(keys))
      await relearn()
    }
    await this.#askSuppliers(options.suppliers ?? [], open, signal, rows)
    return {
      eventKeys: (server, atTs) => (keyId) =>
        rows.get(server)?.find((row) => row.keyId === keyId && fitsEvent(row, atTs))?.key,
    }
  }

  /**
   * The keys by which a server may sign requests now; asks it for them if none of `keyIds` is known.
   *
   * @param address who sent the request: until it is proved to be of that server, all that is done is on its account
   * @throws M_LIMIT_EXCEEDED where too much is being asked for already
   */
  async requestKeys(
    server: ServerName,
    keyIds: readonly string[],
    address = '',
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const keys = await this.#currentKeys(server)
    if (keyIds.some((keyId) => keys.has(keyId)) || server === this.#deps.serverName) return keys
    if (!this.#pauses.allows(server, true)) return keys
    let search = this.#searches.get(server)
    if (search === undefined) {
      search = this.#search(server, keyIds, address).finally(() => this.#searches.delete(server))
      this.#searches.set(server, search)
    }
    await search
    return this.#currentKeys(server)
  }

  async #search(server: ServerName, keyIds: readonly string[], address: string): Promise<void> {
    const isKnown = ((await this.#deps.known.of([server])).get(server)?.length ?? 0) > 0
    const slots = isKnown ? this.#knownServers : this.#strangers
    await slots.run(address, () => this.#searchRequestKeys(server, keyIds))
  }

  /** Asks servers for their keys whatever is known, for those who ask us about them, by their address. */
  async refresh(servers: readonly ServerName[], address = ''): Promise<void> {
    const asked = servers.filter((server) => this.#pauses.allows(server, true))
    const work = inParallel(asked, DIRECT_AT_ONCE, (server) =>
      unlessBusy(
        this.#strangers.run(address, async () => {
          await this.#fetch(server, false)
          // Once a pause is enough, whatever comes of it.
          this.#pauses.inVain(server)
        }),
      ),
    )
    await this.#within(DIRECT_MS_MAX, work)
  }

  /** Resolves when no answer is awaited any more. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#searches.values(), ...this.#fetching.values()])
  }

  async #searchRequestKeys(server: ServerName, keyIds: readonly string[]): Promise<void> {
    const { known, clock, trustedNotaries } = this.#deps
    // It just spoke to us, so earlier failures don't matter.
    await this.#fetch(server, true)
    const isFound = async () => {
      const keys = await this.#currentKeys(server)
      return keyIds.some((keyId) => keys.has(keyId))
    }
    for (const notary of trustedNotaries) {
      if (notary === server || (await isFound())) break
      await this.#askNotary(notary, [{ server, keyIds, atTs: clock() }], null, (answer) => known.learn(answer))
    }
    if (await isFound()) this.#pauses.found(server)
    else this.#pauses.inVain(server)
  }

  /** The keys with which a server may sign requests and answers now, as far as they are known. */
  async #currentKeys(server: ServerName): Promise<ReadonlyMap<string, Uint8Array>> {
    const { known, clock } = this.#deps
    const rows = (await known.of([server])).get(server) ?? []
    return new Map(rows.filter((row) => fitsRequest(row, clock())).map(({ keyId, key }) => [keyId, key]))
  }

  async #askServers(wants: readonly KeyWant[], behalf: string, relearn: () => Promise<void>): Promise<void> {
    const servers = new Set(wants.map(({ server }) => server))
    const asked = [...servers].filter((server) => this.#pauses.allows(server))
    const work = inParallel(asked, DIRECT_AT_ONCE, (server) =>
      unlessBusy(
        this.#events.run(behalf, async () => {
          await this.#fetch(server, false)
          const rows = (await this.#deps.known.of([server])).get(server)
          const isAnswered = wants.every((want) => want.server !== server || isMet(want, rows))
          if (isAnswered) this.#pauses.found(server)
          else this.#pauses.inVain(server)
        }),
      ),
    )
    await this.#within(DIRECT_MS_MAX, work)
    await relearn()
  }

  /** One question to a server at a time, whoever waits for the answer. */
  #fetch(server: ServerName, evenWhilePaused: boolean): Promise<void> {
    const { fetcher, known } = this.#deps
    const running = this.#fetching.get(server)
    if (running !== undefined) return running
    const fetching = fetcher
      .direct(server, evenWhilePaused)
      .then(async (keys) => {
        if (typeof keys !== 'string') await known.learn(keys)
      })
      .finally(() => this.#fetching.delete(server))
    this.#fetching.set(server, fetching)
    return fetching
  }

  async #askNotary(
    notary: ServerName,
    wants: readonly KeyWant[],
    signal: AbortSignal | null,
    take: (keys: ServerKeys) => Promise<void> | void,
  ): Promise<void> {
    const name = (server: ServerName) => `${notary} ${server}`
    const question = new Map<ServerName, { keyIds: string[]; untilTs: number }>()
    for (const { server, keyIds, atTs } of wants) {
      if (server === notary || !this.#pauses.allows(name(server))) continue
      const asked = question.get(server) ?? { keyIds: [], untilTs: 0 }
      const untilTs = Math.max(asked.untilTs, atTs ?? 0)
      question.set(server, { keyIds: [...new Set([...asked.keyIds, ...keyIds])], untilTs })
    }
    if (question.size === 0 || notary === this.#deps.serverName) return
    const notaryKeys = await this.#notaryKeys(notary)
    if (notaryKeys.size === 0) return
    const entries = [...question]
    for (let from = 0; from < entries.length; from += NOTARY_SERVERS_MAX) {
      const batch = new Map(entries.slice(from, from + NOTARY_SERVERS_MAX))
      const answers = await this.#deps.fetcher.notary(notary, notaryKeys, batch, signal)
      for (const keys of answers) await take(keys)
      const missed = [...batch].filter(([server, { keyIds }]) => {
        const answer = answers.find((keys) => keys.server === server)
        return !keyIds.some((keyId) => answer?.current.has(keyId) || answer?.old.has(keyId))
      })
      for (const [server] of missed) this.#pauses.inVain(name(server))
    }
  }

  /** A notary signs with the keys that it has now. */
  async #notaryKeys(notary: ServerName): Promise<ReadonlyMap<string, Uint8Array>> {
    const keys = await this.#currentKeys(notary)
    if (keys.size > 0 || !this.#pauses.allows(notary)) return keys
    await this.#fetch(notary, false)
    return this.#currentKeys(notary)
  }

  /**
   * Anybody can make up the keys of a server that is gone. So what a supplier says is never stored and never replaces a
   * key that is known otherwise; it may tell that such a key was in use for longer, which that key itself has signed.
   */
  async #askSuppliers(
    suppliers: readonly ServerName[],
    open: () => KeyWant[],
    signal: AbortSignal | null,
    rows: Rows,
  ): Promise<void> {
    for (const supplier of suppliers.slice(0, SUPPLIERS_MAX)) {
      if (open().length === 0 || signal?.aborted) return
      await this.#askNotary(supplier, open(), signal, (keys) => {
        const before = rows.get(keys.server) ?? []
        const added = keyRows(keys, this.#deps.clock()).filter(({ keyId, key }) =>
          before.every((row) => row.keyId !== keyId || encodeBase64(row.key) === encodeBase64(key)),
        )
        rows.set(keys.server, [...before, ...added])
      })
    }
  }

  async #within(ms: number, work: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.timers.after(ms, resolve)
    try {
      await Promise.race([work, promise])
    } finally {
      cancel()
    }
  }
}

/** What isn't fetched now isn't in vain either: it is asked for again when it is next needed. */
async function unlessBusy(fetching: Promise<void>): Promise<void> {
  try {
    await fetching
  } catch (error) {
    if (!(error instanceof MatrixError && error.errcode === 'M_LIMIT_EXCEEDED')) throw error
  }
}

/** A key that does for the latest event of a server does for all others that were signed by it. */
async function latestOfEach(wants: readonly KeyWant[], isReachable: (want: KeyWant) => boolean): Promise<KeyWant[]> {
  const byKeys = new Map<string, KeyWant>()
  const timeSlice = new TimeSlice()
  for (const want of wants) {
    await timeSlice.yieldIfDue()
    if (!isReachable(want)) continue
    const name = `${want.server} ${want.keyIds.join(' ')}`
    const other = byKeys.get(name)
    if (other === undefined || (other.atTs ?? 0) < (want.atTs ?? 0)) byKeys.set(name, want)
  }
  return [...byKeys.values()]
}

function isMet({ keyIds, atTs }: KeyWant, rows: readonly ServerKeyRow[] | undefined): boolean {
  return rows?.some((row) => keyIds.includes(row.keyId) && fitsEvent(row, atTs)) ?? false
}
