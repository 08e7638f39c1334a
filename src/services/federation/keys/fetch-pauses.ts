import type { RetrySettings } from '#services/federation/transport/back-off.ts'
import { lru } from '#store/lru.ts'

const ENTRIES_MAX = 20_000
const DOUBLINGS_MAX = 30
const PAUSE_MS_MAX = 3_600_000

/**
 * Remembers what was asked for in vain, so that nobody can make us ask again and again: neither by events and requests
 * with key ids that don't exist, nor by the names of servers that don't.
 */
export class FetchPauses {
  readonly #retry: RetrySettings
  readonly #clock: () => number
  readonly #vain = lru<string, { readonly times: number; readonly lastTs: number }>(ENTRIES_MAX)

  constructor(retry: RetrySettings, clock: () => number) {
    this.#retry = retry
    this.#clock = clock
  }

  /** Whether it may be asked for again. `urgent` waits for the shortest pause only. */
  allows(what: string, urgent = false): boolean {
    const vain = this.#vain.get(what)
    if (vain === undefined) return true
    const doublings = urgent ? 0 : Math.min(vain.times - 1, DOUBLINGS_MAX)
    const pause = Math.min(this.#retry.baseMs * 2 ** doublings, this.#retry.maxMs, PAUSE_MS_MAX)
    const since = this.#clock() - vain.lastTs
    return since < 0 || since >= pause
  }

  inVain(what: string): void {
    const times = (this.#vain.get(what)?.times ?? 0) + 1
    this.#vain.set(what, { times, lastTs: this.#clock() })
  }

  found(what: string): void {
    this.#vain.delete(what)
  }
}
