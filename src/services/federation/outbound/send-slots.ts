import type { Timers } from '#services/time/timers.ts'

export type SlotLimits = {
  /** How many requests may be under way, without those that have become slow. */
  readonly quickMax: number
  /** With them. */
  readonly totalMax: number
  /** How much all of them together may hold in memory before the next one begins. */
  readonly bytesMax: number
  /** After this, a request counts as slow. */
  readonly slowAfterMs: number
}

/** A place among the requests that are under way. */
export type Slot = {
  /** Says how much the request holds in memory. */
  holds(bytes: number): void
  release(): void
}

/** Somebody who waits for a slot. */
export type Turn = {
  readonly slot: Promise<Slot>
  /** Something came that can't wait for those that can. */
  hurry(): void
}

/**
 * How many servers are spoken to at the same time. First come, first served, with those first who have something
 * urgent. A server that takes long gives its place to the next one while it goes on, so that many dead servers don't
 * keep the living ones waiting.
 */
export class SendSlots {
  readonly #limits: SlotLimits
  readonly #timers: Timers
  readonly #urgent = new Set<(slot: Slot) => void>()
  readonly #patient = new Set<(slot: Slot) => void>()
  #quick = 0
  #total = 0
  #bytes = 0

  constructor(limits: SlotLimits, timers: Timers) {
    this.#limits = limits
    this.#timers = timers
  }

  get underWay(): number {
    return this.#total
  }

  get waiting(): number {
    return this.#urgent.size + this.#patient.size
  }

  take(urgent: boolean): Turn {
    const { promise, resolve } = Promise.withResolvers<Slot>()
    const waiters = urgent ? this.#urgent : this.#patient
    waiters.add(resolve)
    this.#grant()
    const hurry = () => {
      if (this.#patient.delete(resolve)) this.#urgent.add(resolve)
    }
    return { slot: promise, hurry }
  }

  #grant(): void {
    const { quickMax, totalMax, bytesMax } = this.#limits
    while (this.#quick < quickMax && this.#total < totalMax && this.#bytes < bytesMax) {
      const waiters = this.#urgent.size > 0 ? this.#urgent : this.#patient
      const [next] = waiters
      if (next === undefined) return
      waiters.delete(next)
      next(this.#open())
    }
  }

  #open(): Slot {
    let isQuick = true
    let isOpen = true
    let held = 0
    this.#quick += 1
    this.#total += 1
    const cancel = this.#timers.after(this.#limits.slowAfterMs, () => {
      isQuick = false
      this.#quick -= 1
      this.#grant()
    })
    return {
      holds: (bytes) => {
        this.#bytes += bytes - held
        held = bytes
      },
      release: () => {
        if (!isOpen) return
        isOpen = false
        cancel()
        if (isQuick) this.#quick -= 1
        this.#total -= 1
        this.#bytes -= held
        this.#grant()
      },
    }
  }
}
