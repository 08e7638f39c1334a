import { setImmediate as setImmediateCallback } from 'node:timers'
import { setImmediate } from 'node:timers/promises'

/** How long work that gives way may hold the event loop before others get a turn. */
const SLICE_MS_MAX = 5

/** When such work was first done in this turn of the event loop; null for not yet. */
let turnBegan: number | null = null

function turnBeganAt(): number {
  if (turnBegan === null) {
    turnBegan = performance.now()
    // With the next turn.
    setImmediateCallback(() => {
      turnBegan = null
    })
  }
  return turnBegan
}

/**
 * Lets long work give way: `await pacer.breathe()` in each round of a loop returns to the event loop when it is time.
 * What several do in one turn counts together.
 */
export class Pacer {
  constructor() {
    turnBeganAt()
  }

  async breathe(): Promise<void> {
    if (performance.now() - turnBeganAt() >= SLICE_MS_MAX) await setImmediate()
  }
}

/** Runs a long computation to its end, letting others have the thread between its slices. */
export async function inSlices<Result>(slices: Generator<undefined, Result, undefined>): Promise<Result> {
  const pacer = new Pacer()
  let step = slices.next()
  while (!step.done) {
    await pacer.breathe()
    step = slices.next()
  }
  return step.value
}
