import type { Slices } from '#core/state/steps.ts'
import { throwIfAbandoned } from '#services/time/abandoned.ts'
import { beginSlice, inSlices, isSliceOver, nextSlice } from '#store/time-slices.ts'

/** For loops that may take long: `await timeSlice.yieldIfDue()` in each round yields to the event loop when its slice is used up. */
export class TimeSlice {
  readonly #signal: AbortSignal | null

  /** @param signal of a request for which the loop only reads: when its client has gone, `yieldIfDue` throws */
  constructor(signal: AbortSignal | null = null) {
    this.#signal = signal
    beginSlice()
  }

  /** Runs a long computation to its end, yielding between its parts. */
  static run<Result>(slices: Slices<Result>): Promise<Result> {
    return inSlices(slices)
  }

  async yieldIfDue(): Promise<void> {
    if (isSliceOver()) await nextSlice()
    if (this.#signal !== null) throwIfAbandoned(this.#signal)
  }
}
