/**
 * A long computation in slices: it yields after a budget of steps, so that its caller can let others have the thread,
 * and returns its result at the end.
 */
export type Slices<Result> = Generator<undefined, Result, undefined>

/** Steps between two yields. A step handles one event or one edge of a graph: a few microseconds. */
export const STEPS_PER_SLICE = 500

/** Counts the steps of one computation. */
export class Steps {
  readonly perSlice: number
  #total = 0
  #inSlice = 0

  constructor(perSlice = STEPS_PER_SLICE) {
    this.perSlice = perSlice
  }

  /** All steps taken so far. */
  get total(): number {
    return this.#total
  }

  /** Takes a step, or several at once; true when the slice is used up and it is time to yield. */
  take(count = 1): boolean {
    this.#total += count
    this.#inSlice += count
    if (this.#inSlice < this.perSlice) return false
    this.#inSlice = 0
    return true
  }
}

/** Runs a computation to its end without yielding. */
export function run<Result>(slices: Generator<undefined, Result, undefined>): Result {
  let step = slices.next()
  while (!step.done) step = slices.next()
  return step.value
}
