/**
 * Turns of the event loop, as all work of this thread that gives way shares them: services by their `TimeSlice`, the store
 * by its `Pauses`.
 */
import type { Slices } from '#core/state/steps.ts'

/** How long work that gives way may hold the event loop before others get a turn. */
const SLICE_MS_MAX = 4

/** When such work was first done in this turn; null for not yet. */
let began: number | null = null

/** Those who wait for a turn, first come first. */
const waiting: (() => void)[] = []
/** In this turn or from the next one on. */
let isLettingGo = false

/** True when this turn has been used up: it is time to `await nextSlice()`. What several do in one turn counts together. */
export function isSliceOver(): boolean {
  return performance.now() - beginSlice() >= SLICE_MS_MAX
}

/** Work begins that will give way: what it does from now on counts. Returns since when work has been counted. */
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

/** Waits for a later turn that has time left. Several who wait get it one after the other, not all in the same turn. */
export function nextSlice(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    if (isLettingGo) return
    isLettingGo = true
    setImmediate(beginLettingGo)
  })
}

/** Runs a long computation to its end, letting others have the thread between its slices. */
export async function inSlices<Result>(slices: Slices<Result>): Promise<Result> {
  beginSlice()
  let step = slices.next()
  while (!step.done) {
    if (isSliceOver()) await nextSlice()
    step = slices.next()
  }
  return step.value
}

function beginLettingGo(): void {
  letGo(waiting.length)
}

/** Lets go whoever waits longest, and when they have done what they do in this turn the next, if there is time left. */
function letGo(count: number): void {
  if (count === 0 || isSliceOver()) {
    if (waiting.length > 0) setImmediate(beginLettingGo)
    else isLettingGo = false
    return
  }
  waiting.shift()?.()
  // When the queue of microtasks is empty.
  queueMicrotask(() => process.nextTick(letGo, count - 1))
}
