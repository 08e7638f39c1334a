import { MatrixError } from '#core/matrix-error.ts'

export type SlotLimits = {
  /** At the same time, overall and for one of those on whose behalf something is fetched. */
  readonly running: number
  readonly runningEach: number
  /** Waiting for a slot. */
  readonly waiting: number
  readonly waitingEach: number
}

type Holder = { running: number; readonly waiting: (() => void)[] }

const RETRY_AFTER_MS = 10_000

/**
 * Bounds what is fetched at the same time on behalf of somebody who proves nothing: an address, for example. Whoever
 * asks for much waits behind their own; a free slot goes to the next of those who wait, in turn.
 */
export class FetchSlots {
  readonly #limits: SlotLimits
  /** Those who hold or wait for something, the one whose turn is next first. */
  readonly #holders = new Map<string, Holder>()
  #running = 0
  #waiting = 0

  constructor(limits: SlotLimits) {
    this.#limits = limits
  }

  /** Runs `fetch` when there is a slot. @throws M_LIMIT_EXCEEDED where too many wait already */
  async run<T>(behalf: string, fetch: () => Promise<T>): Promise<T> {
    const holder = this.#holders.get(behalf) ?? { running: 0, waiting: [] }
    const isFree = this.#running < this.#limits.running && holder.running < this.#limits.runningEach
    if (!isFree) this.#checkWaiting(holder)
    this.#holders.set(behalf, holder)
    if (isFree) this.#take(holder)
    else await this.#wait(holder)
    try {
      return await fetch()
    } finally {
      this.#running -= 1
      holder.running -= 1
      this.#next()
      if (holder.running === 0 && holder.waiting.length === 0) this.#holders.delete(behalf)
    }
  }

  #take(holder: Holder): void {
    this.#running += 1
    holder.running += 1
  }

  #checkWaiting(holder: Holder): void {
    const { waiting, waitingEach } = this.#limits
    if (this.#waiting < waiting && holder.waiting.length < waitingEach) return
    const extra = { retry_after_ms: RETRY_AFTER_MS }
    throw new MatrixError('M_LIMIT_EXCEEDED', 'Too many keys are being asked for', { extra })
  }

  async #wait(holder: Holder): Promise<void> {
    this.#waiting += 1
    await new Promise<void>((resolve) => {
      holder.waiting.push(resolve)
    })
  }

  /** Gives a slot that has become free to the next one, who is the last then. */
  #next(): void {
    for (const [behalf, holder] of this.#holders) {
      if (holder.running >= this.#limits.runningEach) continue
      const go = holder.waiting.shift()
      if (go === undefined) continue
      this.#waiting -= 1
      this.#take(holder)
      this.#holders.delete(behalf)
      this.#holders.set(behalf, holder)
      go()
      return
    }
  }
}
