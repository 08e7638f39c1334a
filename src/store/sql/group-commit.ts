import { StoreClosedError } from '#store/errors.ts'
import type { Engine, PendingWrite } from '#store/sql/engine.ts'

/** How many functions share one transaction at most: bounds how long the first one waits for its answer. */
const GROUP_WRITES_MAX = 64

/** The queue of writes. Those that arrive in one turn of the event loop, or during a commit, share a transaction. */
export class GroupCommit {
  readonly #engine: Pick<Engine, 'write' | 'writesAppendsApart'>
  #waiting: PendingWrite[] = []
  #running: Promise<void> | null = null
  #closed = false

  constructor(engine: Pick<Engine, 'write' | 'writesAppendsApart'>) {
    this.#engine = engine
  }

  add(write: PendingWrite): void {
    if (this.#closed) {
      write.reject(new StoreClosedError())
      return
    }
    this.#waiting.push(write)
    this.#running ??= this.#run()
  }

  /** Takes no more writes, and resolves when those that wait are done. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // After the input of this turn, so that its writes are all here, and the loop gets air between two groups.
      await new Promise((resolve) => setImmediate(resolve))
      const group = this.#takeGroup()
      try {
        await this.#engine.write(group)
      } catch (error) {
        // A mistake of the program, in a hook: the queue goes on. Those already answered stay so.
        for (const write of group) write.reject(error)
      }
    }
    this.#running = null
  }

  /** Those that wait longest; where appends are written apart, of the kind of the first. */
  #takeGroup(): PendingWrite[] {
    const isApart = this.#engine.writesAppendsApart
    const isAppend = this.#waiting[0]?.append !== undefined
    const group: PendingWrite[] = []
    const left: PendingWrite[] = []
    for (const write of this.#waiting) {
      const fits = !isApart || (write.append !== undefined) === isAppend
      if (fits && group.length < GROUP_WRITES_MAX) group.push(write)
      else left.push(write)
    }
    this.#waiting = left
    return group
  }
}
