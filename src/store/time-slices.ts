/**
 * Cooperative yielding: long work of this thread shares one time slice in each turn of the event loop, services by their
 * `TimeSlice`, the store by its `Pauses`.
 */
import type { Slices } from '#core/state/steps.ts'

/** How long work that yields may hold the event loop in one turn. */
const SLICE_MS_MAX = 4

/** When such work began in this turn; null for not yet. */
let began: number | null = null

/** Those who wait for a slice, first come, first served. */
const waiting: (() => void)[] = []
/** Whether those who wait are being resolved, in this turn or from the next one on. */
let isReleasing = false

/** Whether this turn's slice is used up: then `await nextSlice()`. All work of one turn counts together. */
export function isSliceOver(): boolean {
  return performance.now() - beginSlice() >= SLICE_MS_MAX
}

/** Starts counting, unless other work of this turn has. Returns when counting began, in milliseconds. */
export function beginSlice(): number {
  if (began === null) {
    began = performance.now()
    // With the next turn.
    setImmediate(() => {
      began = null
    })
  }
  return began
}

/** Waits for a later turn whose slice has time left. Several who wait share it in the order of their calls. */
export function nextSlice(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    if (isReleasing) return
    isReleasing = true
    setImmediate(releaseWaiting)
  })
}

/** Runs a long computation to its end, and yields to the event loop between its steps. */
export async function inSlices<Result>(slices: Slices<Result>): Promise<Result> {
  beginSlice()
  let step = slices.next()
  while (!step.done) {
    if (isSliceOver()) await nextSlice()
    step = slices.next()
  }
  return step.value
}

function releaseWaiting(): void {
  release(waiting.length)
}

/** Resolves whoever waits longest; when they are done for this turn the next one, while the slice has time left. */
function release(count: number): void {
  if (count === 0 || isSliceOver()) {
    if (waiting.length > 0) setImmediate(releaseWaiting)
    else isReleasing = false
    return
  }
  waiting.shift()?.()
  // When the queue of microtasks is empty.
  queueMicrotask(() => process.nextTick(release, count - 1))
}
