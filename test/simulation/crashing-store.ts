import type { CommitListener, ReadTx, Store, Tx } from '#store/store.ts'
import type { Append, Appended } from '#store/types/events.ts'

/** Nothing more happens to whoever waits for this: the process is dead. One for each, or it would keep all of them. */
const never = () => new Promise<never>(() => {})

class Crash extends Error {
  override readonly name = 'Crash'
}

/**
 * A store whose process can die at any use of it: before a read or write, in the middle of a write (which is then
 * undone), or after the commit but before anybody hears of it. Afterwards it never answers again.
 */
export class CrashingStore implements Store {
  readonly #inner: Store
  readonly #onUse: () => void
  readonly #onCrash: () => void
  #usesLeft = Number.POSITIVE_INFINITY
  #isDead = false

  constructor(inner: Store, onUse: () => void, onCrash: () => void) {
    this.#inner = inner
    this.#onUse = onUse
    this.#onCrash = onCrash
  }

  /** Dies after so many further uses. */
  crashAfter(uses: number): void {
    this.#usesLeft = uses
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** The store below, for looking at what is on disk. */
  get onDisk(): Store {
    return this.#inner
  }

  fault() {
    return this.#inner.fault()
  }

  async read<T>(fn: (tx: ReadTx) => Promise<T>): Promise<T> {
    this.#use()
    if (this.#isDead) return never()
    const result = await this.#inner.read(fn)
    this.#use()
    return this.#isDead ? never() : result
  }

  append(append: Append): Promise<Appended> {
    return this.write((tx) => tx.events.append(append))
  }

  async write<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
    this.#use()
    if (this.#isDead) return never()
    try {
      const result = await this.#inner.write(async (tx) => {
        if (this.#isDead) throw new Crash()
        const inside = await fn(tx)
        this.#use()
        if (this.#isDead) throw new Crash()
        return inside
      })
      this.#use()
      return this.#isDead ? never() : result
    } catch (error) {
      if (error instanceof Crash || this.#isDead) return never()
      throw error
    }
  }

  position(): number {
    return this.#inner.position()
  }

  onCommit(listener: CommitListener): () => void {
    return this.#inner.onCommit((position, commit) => {
      if (!this.#isDead) listener(position, commit)
    })
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#isDead ? never() : this.#inner[Symbol.asyncDispose]()
  }

  #use(): void {
    this.#onUse()
    if (this.#isDead) return
    this.#usesLeft -= 1
    if (this.#usesLeft > 0) return
    this.#isDead = true
    this.#onCrash()
  }
}
