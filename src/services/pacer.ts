import { setImmediate } from 'node:timers/promises'

/** How long one piece of work may hold the event loop before others get a turn. */
const SLICE_MS_MAX = 8

/** Lets long work give way: `await pacer.breathe()` in each round of a loop returns to the event loop when it is time. */
export class Pacer {
  #sliceBegan = performance.now()

  async breathe(): Promise<void> {
    if (performance.now() - this.#sliceBegan < SLICE_MS_MAX) return
    await setImmediate()
    this.#sliceBegan = performance.now()
  }
}
