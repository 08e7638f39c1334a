import type { UnavailableError } from '#core/unavailable-error.ts'
import { StoreClosedError } from '#store/errors.ts'
import type { Engine, PendingWrite } from '#store/sql/engine.ts'
import { Faults } from '#store/sql/faults.ts'
import { GroupCommit } from '#store/sql/group-commit.ts'
import type { CommitListener, ReadTx, Store, StoreLog, Tx } from '#store/store.ts'
import type { Append, Appended } from '#store/types/events.ts'
import type { LogCommit } from '#store/types/log.ts'

/** The positions that this process knows to be committed, and who wants to know. */
export class Positions {
  readonly #log: StoreLog
  readonly #listeners = new Set<CommitListener>()
  #last = 0

  constructor(log: StoreLog) {
    this.#log = log
  }

  get last(): number {
    return this.#last
  }

  /** A commit made this position visible. Old news are none. */
  reached(position: number, commit: LogCommit | null = null): void {
    if (position <= this.#last) return
    this.#last = position
    for (const listener of this.#listeners) {
      try {
        listener(position, commit)
      } catch (error) {
        this.#log.error({ error }, 'A listener of commits failed')
      }
    }
  }

  listen(listener: CommitListener): () => void {
    // A function may be given twice, and each ends its own.
    const own: CommitListener = (position, commit) => listener(position, commit)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }
}

/** The store over either database. */
export class SqlStore implements Store {
  readonly #engine: Engine
  readonly #positions: Positions
  readonly #writes: GroupCommit
  readonly #faults: Faults
  #reads = 0
  #closed: (() => void) | null = null
  #closing: Promise<void> | null = null

  constructor(engine: Engine, positions: Positions, log: StoreLog) {
    this.#faults = new Faults(log)
    this.#engine = engine
    this.#positions = positions
    this.#writes = new GroupCommit(engine)
  }

  async read<T>(fn: (tx: ReadTx) => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw new StoreClosedError()
    this.#reads++
    try {
      const value = await this.#engine.read(fn)
      this.#faults.succeeded('read')
      return value
    } catch (error) {
      throw this.#faults.failed('read', error)
    } finally {
      this.#reads--
      if (this.#reads === 0) this.#closed?.()
    }
  }

  write<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#writes.add({ fn, ...this.#outcome<T>(resolve, reject) })
    })
  }

  append(append: Append): Promise<Appended> {
    return new Promise<Appended>((resolve, reject) => {
      const fn = (tx: Tx) => tx.events.append(append)
      this.#writes.add({ fn, append, ...this.#outcome<Appended>(resolve, reject) })
    })
  }

  /** What a write is told, with a look at whether the database can still be written. */
  #outcome<T>(resolve: (value: T) => void, reject: (error: unknown) => void): Pick<PendingWrite, 'resolve' | 'reject'> {
    return {
      resolve: (value) => {
        this.#faults.succeeded('write')
        resolve(value as T)
      },
      reject: (error) => reject(this.#faults.failed('write', error)),
    }
  }

  fault(): UnavailableError | null {
    return this.#faults.current
  }

  position(): number {
    return this.#positions.last
  }

  onCommit(listener: CommitListener): () => void {
    return this.#positions.listen(listener)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#writes.close()
    if (this.#reads > 0) {
      await new Promise<void>((resolve) => {
        this.#closed = resolve
      })
    }
    await this.#engine.close()
  }
}
