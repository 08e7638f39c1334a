/** Waiting, as services see it: given by the constructor, so that tests and simulations keep their own time. */
export type Timers = {
  /** Calls `fn` once after `ms` milliseconds; returns the function that cancels it. */
  after(ms: number, fn: () => void): () => void
}

/** setTimeout fires at once for delays past 2^31 − 1 ms. */
const DELAY_MS_MAX = 2 ** 31 - 1

export const realTimers: Timers = {
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), DELAY_MS_MAX))
    return () => clearTimeout(timer)
  },
}
