import type { LRUCache } from 'lru-cache'
import { lru } from '#store/lru.ts'

type Entry<V> = { readonly value: V; readonly untilTs: number }

/** Values that hold for a time each. Those who ask for the same at once wait for one answer. */
export class ExpiringCache<V> {
  readonly #entries: LRUCache<string, Entry<V> & { readonly sinceTs: number }>
  readonly #loading = new Map<string, Promise<V>>()
  readonly #clock: () => number

  /** Holds at most `max` values; the clock gives milliseconds. */
  constructor(max: number, clock: () => number) {
    this.#entries = lru(max)
    this.#clock = clock
  }

  /** The value, loaded if there is none that still holds. `load` gets the expired one, and says how long its own holds. */
  async get(key: string, load: (expired: V | undefined) => Promise<Entry<V>>): Promise<V> {
    const entry = this.#entries.get(key)
    const now = this.#clock()
    // A clock that was put back before the value came must not keep it for longer.
    if (entry !== undefined && entry.sinceTs <= now && now < entry.untilTs) return entry.value
    const loading = this.#loading.get(key) ?? this.#load(key, load(entry?.value))
    return loading
  }

  /** Lets a value expire. */
  expire(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.#entries.set(key, { ...entry, untilTs: 0 })
  }

  #load(key: string, entry: Promise<Entry<V>>): Promise<V> {
    const loading = entry
      .then((loaded) => {
        this.#entries.set(key, { ...loaded, sinceTs: this.#clock() })
        return loaded.value
      })
      .finally(() => this.#loading.delete(key))
    this.#loading.set(key, loading)
    return loading
  }
}
