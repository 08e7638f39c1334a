import type { DeviceId } from '#core/ids.ts'
import type { Store } from '#store/store.ts'
import type { DeviceSeen } from '#store/types/devices.ts'
import type { UserNid } from '#store/types/users.ts'

/** How often a device's "last seen" is written at most. */
export const SEEN_INTERVAL_MS = 600_000
/** How long sightings are gathered before they are written together. */
export const FLUSH_INTERVAL_MS = 10_000
/** Devices remembered; past this all are forgotten, which costs a write each at their next request. */
const DEVICES_MAX = 100_000

/** When and from where devices were last used, written rarely and many at a time: no request waits for it. */
export class LastSeen {
  readonly #store: Store
  readonly #clock: () => number
  readonly #onError: (error: unknown) => void
  /** When each device was last put down for writing. */
  readonly #noted = new Map<string, number>()
  #pending: DeviceSeen[] = []
  #flushedAtMs: number

  constructor(deps: { store: Store; clock: () => number; onError: (error: unknown) => void }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#onError = deps.onError
    this.#flushedAtMs = deps.clock()
  }

  note(userNid: UserNid, deviceId: DeviceId, ip: string): void {
    const now = this.#clock()
    const key = `${userNid}/${deviceId}`
    const last = this.#noted.get(key)
    if (last === undefined || Math.abs(now - last) >= SEEN_INTERVAL_MS) {
      if (this.#noted.size >= DEVICES_MAX) this.#noted.clear()
      this.#noted.set(key, now)
      this.#pending.push({ userNid, deviceId, ts: now, ip })
    }
    // Either way: the clock may have been put back.
    if (Math.abs(now - this.#flushedAtMs) >= FLUSH_INTERVAL_MS) this.flush().catch(this.#onError)
  }

  /** Writes what was gathered. To be called before the store closes. */
  async flush(): Promise<void> {
    this.#flushedAtMs = this.#clock()
    const seen = this.#pending
    if (seen.length === 0) return
    this.#pending = []
    await this.#store.write((tx) => tx.devices.touch(seen))
  }
}
