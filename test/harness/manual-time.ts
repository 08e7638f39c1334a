/** A clock and timers that move only when told. */
import type { Timers } from '#services/time/timers.ts'

export type ManualTime = {
  readonly clock: () => number
  readonly timers: Timers
  readonly pending: ReadonlySet<{ readonly at: number }>
  /** Moves the clock, and calls on the way what becomes due, in order. */
  advance(ms: number): void
}

export function manualTime(start = 1_700_000_000_000): ManualTime {
  let now = start
  const pending = new Set<{ at: number; fn: () => void }>()
  return {
    clock: () => now,
    timers: {
      after(ms, fn) {
        const timer = { at: now + ms, fn }
        pending.add(timer)
        return () => pending.delete(timer)
      },
    },
    pending,
    advance(ms) {
      const end = now + ms
      for (;;) {
        const due = [...pending].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        if (due === undefined) break
        pending.delete(due)
        now = Math.max(now, due.at)
        due.fn()
      }
      now = end
    },
  }
}
