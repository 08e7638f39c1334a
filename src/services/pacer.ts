import { beginTurn, isTurnOver, nextTurn } from '#store/turn.ts'

/** Lets long work give way: `await pacer.breathe()` in each round of a loop returns to the event loop when it is time. */
export class Pacer {
  constructor() {
    beginTurn()
  }

  async breathe(): Promise<void> {
    if (isTurnOver()) await nextTurn()
  }
}
