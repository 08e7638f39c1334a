import type { DatabaseSync } from 'node:sqlite'
import type { Outcome } from '#store/sql/engine.ts'
import { Session, type Shared, type Surroundings } from '#store/sql/session.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { transactionOver } from '#store/sql/tx.ts'
import type { Tx } from '#store/store.ts'
import { nextSlice } from '#store/time-slices.ts'
import type { LogCommit } from '#store/types/log.ts'

/** Statements of a transaction whose commit gets a turn of the event loop to itself. */
const LARGE_CHANGES = 2_000

/** What became of a group: each function's outcome, and what the commit added to the log, if anything. */
export type GroupOutcome = { readonly outcomes: readonly Outcome[]; readonly commit: LogCommit | null }

/** A connection that writes, with the `tx` over it. */
export class WriteConnection {
  readonly #database: DatabaseSync
  readonly #connection: SqliteConnection
  readonly #session: Session
  readonly #tx: Tx

  /** @param database already migrated */
  constructor(database: DatabaseSync, surroundings: Surroundings, shared: Shared) {
    this.#database = database
    this.#connection = new SqliteConnection(database)
    this.#session = new Session(this.#connection, { ...surroundings, shared, writable: true })
    this.#tx = transactionOver(this.#session)
  }

  /**
   * Runs the functions in turn in one transaction, a savepoint each, and commits.
   * @throws when nothing of it was done
   */
  async run(fns: readonly ((tx: Tx) => Promise<unknown>)[]): Promise<GroupOutcome> {
    const [database, session] = [this.#database, this.#session]
    const outcomes: Outcome[] = []
    const before = session.mark().changes
    let isLarge: boolean
    try {
      await this.#connection.beginWrite()
      session.begin()
      for (const fn of fns) outcomes.push(await this.#inSavepoint(fn))
      const last = session.writeBack()
      if (last !== null) database.exec(last.text)
      isLarge = session.mark().changes - before > LARGE_CHANGES
      // Some milliseconds by itself, in which everything is written to the log.
      if (isLarge) await nextSlice()
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      session.rolledBack()
      throw error
    }
    const commit = session.committed()
    if (isLarge) await nextSlice()
    return { outcomes, commit }
  }

  close(): void {
    this.#database.close()
  }

  /** @throws when SQLite itself took the whole transaction back, as it does when the disk is full */
  async #inSavepoint(fn: (tx: Tx) => Promise<unknown>): Promise<Outcome> {
    const [database, session] = [this.#database, this.#session]
    const mark = session.mark()
    database.exec('SAVEPOINT one')
    try {
      const value = await fn(this.#tx)
      database.exec('RELEASE one')
      return { ok: true, value }
    } catch (error) {
      if (!database.isTransaction) throw error
      database.exec('ROLLBACK TO one; RELEASE one')
      session.rolledBackTo(mark)
      return { ok: false, error }
    }
  }
}
