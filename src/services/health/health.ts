import { UnavailableError } from '#core/unavailable-error.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'

/** How long the database may take to answer. */
const ANSWER_MS_MAX = 3_000
/** An answer is good for so long, however many ask. */
const KEPT_MS = 1_000

type Deps = { readonly store: Store; readonly clock: () => number; readonly timers: Timers }
type Finding = { readonly problem: string | null; readonly ts: number }

/** Whether the server can do its work: asks the database, since it may be gone without anybody having noticed. */
export class Health {
  readonly #deps: Deps
  #last: Finding | null = null
  #asking: Promise<Finding> | null = null

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** What is wrong, in a sentence that may be shown to anybody; null where nothing is. */
  async problem(): Promise<string | null> {
    const last = this.#last
    // A clock that was set back makes nothing last longer.
    if (last !== null && Math.abs(this.#deps.clock() - last.ts) < KEPT_MS) return last.problem
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null
    })
    this.#last = await this.#asking
    return this.#last.problem
  }

  async #ask(): Promise<Finding> {
    const { clock, timers } = this.#deps
    const { promise: tooLong, resolve } = Promise.withResolvers<string>()
    const cancel = timers.after(ANSWER_MS_MAX, () => resolve("The database doesn't answer"))
    const problem = await Promise.race([this.#databaseProblem(), tooLong])
    cancel()
    return { problem, ts: clock() }
  }

  async #databaseProblem(): Promise<string | null> {
    const { store } = this.#deps
    try {
      await store.read((tx) => tx.position())
      // Whether what couldn't be written can be by now shows only when something is.
      if (store.fault() !== null) await store.write((tx) => tx.meta.probe())
      return null
    } catch (error) {
      if (error instanceof UnavailableError) return error.message
      throw error
    }
  }
}
