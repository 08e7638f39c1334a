/** Pauses towards servers that can't be reached, shared by everything that asks anything of them. */

import type { ServerName } from '#core/ids.ts'
import { lru } from '#store/lru.ts'
import type { Store } from '#store/store.ts'
import type { FailingDestination } from '#store/types/destinations.ts'

const FAILING_MAX = 20_000
const JITTER_MIN = 0.8
const JITTER_MAX = 1.4
const DOUBLINGS_MAX = 40

export type RetrySettings = { readonly baseMs: number; readonly maxMs: number }

type Deps = {
  readonly store: Store
  readonly retry: RetrySettings
  readonly clock: () => number
  /** Gives a number from 0 to 1. */
  readonly random: () => number
  readonly onError: (error: unknown) => void
}

/**
 * Kept in the database, so that a restart doesn't ask everybody at once. Each process counts for itself; the rows are
 * what a new one begins with.
 */
export class BackOff {
  readonly #deps: Deps
  readonly #failing = lru<ServerName, FailingDestination>(FAILING_MAX)
  readonly #listeners = new Set<(server: ServerName) => void>()
  #written: Promise<void> = Promise.resolve()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Reads what was known before the start. */
  async load(): Promise<void> {
    const rows = await this.#deps.store.read((tx) => tx.destinations.failing(FAILING_MAX))
    for (const row of rows.reverse()) this.#failing.set(row.server, row)
  }

  /** How a server fares; null while it answers. */
  failing(server: ServerName): FailingDestination | null {
    return this.#failing.get(server) ?? null
  }

  /** Until when nothing is sent to a server; null where it may be tried. */
  pausedUntil(server: ServerName): number | null {
    const { clock, retry } = this.#deps
    const nextTryTs = this.#failing.get(server)?.nextTryTs ?? 0
    const left = nextTryTs - clock()
    // No pause is longer than that: the clock was put back.
    return left > 0 && left <= retry.maxMs ? nextTryTs : null
  }

  /** The same servers, those in a pause last: where only some can be asked, it is to be the others. */
  reachableFirst(servers: readonly ServerName[]): ServerName[] {
    const isPaused = (server: ServerName) => this.pausedUntil(server) !== null
    return [...servers.filter((server) => !isPaused(server)), ...servers.filter(isPaused)]
  }

  /** A request failed. `retryAfterMs` is what the server asked for. */
  failed(server: ServerName, retryAfterMs: number | null = null): void {
    // Requests that were under way together fail together, and count once.
    if (this.pausedUntil(server) !== null) return
    const { clock, retry, random } = this.#deps
    const now = clock()
    const before = this.#failing.get(server)
    const failures = (before?.failures ?? 0) + 1
    const jitter = JITTER_MIN + (JITTER_MAX - JITTER_MIN) * random()
    const pause = Math.max(retry.baseMs * 2 ** Math.min(failures - 1, DOUBLINGS_MAX) * jitter, retryAfterMs ?? 0)
    const nextTryTs = now + Math.round(Math.min(pause, retry.maxMs))
    const row = { server, failingSinceTs: before?.failingSinceTs ?? now, failures, nextTryTs }
    this.#failing.set(server, row)
    this.#write((tx) => tx.destinations.putFailing(row))
  }

  /** A request was answered, or the server sent us one with a valid signature. */
  reset(server: ServerName): void {
    if (!this.#failing.delete(server)) return
    this.#write((tx) => tx.destinations.deleteFailing(server))
    for (const listener of this.#listeners) listener(server)
  }

  /** Calls the listener when a server that failed can be reached again. Returns the function that ends it. */
  onReset(listener: (server: ServerName) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when all that is known is stored. */
  idle(): Promise<void> {
    return this.#written
  }

  #write(fn: Parameters<Store['write']>[0]): void {
    const { store, onError } = this.#deps
    this.#written = this.#written.then(async () => void (await store.write(fn))).catch(onError)
  }
}
