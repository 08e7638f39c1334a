import { setImmediate } from 'node:timers/promises'

const STEPS_BETWEEN_PAUSES = 200

/**
 * Lets a long write (a join of a large room) give way to other work now and then: reads go on, writes wait as ever.
 * `if (pauses.due()) await pauses.pause()` after each small step.
 */
export class Pauses {
  #steps = 0

  due(): boolean {
    return ++this.#steps % STEPS_BETWEEN_PAUSES === 0
  }

  async pause(): Promise<void> {
    await setImmediate()
  }
}
