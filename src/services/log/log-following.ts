import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'

type Deps = {
  readonly store: Store
  /** Where it goes on from. */
  readonly from: number
  /** Handles what came after a position, as much as it likes, and returns how far that reached. */
  readonly step: (from: number) => Promise<number>
  readonly onError: (error: unknown) => void
}

/** Follows the log to its end, and on after each commit, one step at a time. A step that failed is repeated then. */
export class LogFollowing {
  readonly #deps: Deps
  readonly #stopListening: () => void
  #position: number
  #looking: Promise<void> | null = null
  #isClosed = false

  constructor(deps: Deps) {
    this.#deps = deps
    this.#position = deps.from
    this.#stopListening = deps.store.onCommit(() => this.#look())
    this.#look()
  }

  /** Everything up to here has been handled. */
  get position(): number {
    return this.#position
  }

  /** Resolves when the end of the log is reached. */
  async idle(): Promise<void> {
    while (this.#looking !== null) await this.#looking
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopListening()
    await this.idle()
  }

  #look(): void {
    if (this.#isClosed || this.#position >= this.#deps.store.position()) return
    this.#looking ??= this.#followUp()
      .finally(() => {
        this.#looking = null
      })
      .then(() => this.#look(), this.#deps.onError)
  }

  async #followUp(): Promise<void> {
    const { store, step } = this.#deps
    const timeSlice = new TimeSlice()
    while (!this.#isClosed && this.#position < store.position()) {
      this.#position = await step(this.#position)
      await timeSlice.yieldIfDue()
    }
  }
}
