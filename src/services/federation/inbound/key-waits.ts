import type { ServerName } from '#core/ids.ts'
import { lru } from '#store/lru.ts'

/** How long events wait for a key of their server, from the first of them on; then they are left out. */
export const KEY_WAIT_MS = 30_000
/** After that a server is waited for once more. */
const WAIT_AGAIN_MS = 24 * 60 * 60 * 1_000
const SERVERS_MAX = 10_000

/**
 * Bounds the wait for keys that nobody gives. A key may be missing for a moment, as when this server starts; the key of a
 * server that is gone may be missing for good, and must not hold up the rooms that its events are part of.
 */
export class KeyWaits {
  readonly #clock: () => number
  readonly #since = lru<ServerName, number>(SERVERS_MAX)

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Whether events go on without those that this server signed. The first time begins the wait. */
  isOver(server: ServerName): boolean {
    const now = this.#clock()
    const since = this.#since.get(server)
    // A clock that was put back doesn't prolong it.
    if (since === undefined || now < since || now - since > WAIT_AGAIN_MS) {
      this.#since.set(server, now)
      return false
    }
    return now - since >= KEY_WAIT_MS
  }
}
