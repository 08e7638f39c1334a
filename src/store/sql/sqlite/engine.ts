import type { DatabaseSync } from 'node:sqlite'
import { type Engine, type EngineEvents, type Outcome, type PendingWrite, settle } from '#store/sql/engine.ts'
import { Pool } from '#store/sql/pool.ts'
import { Session, type Shared, type Surroundings } from '#store/sql/session.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { openReader } from '#store/sql/sqlite/open.ts'
import { transactionOver } from '#store/sql/tx.ts'
import type { ReadTx, Tx } from '#store/store.ts'

const READERS = 4

type Open<T> = {
  readonly database: DatabaseSync
  readonly connection: SqliteConnection
  readonly session: Session
  readonly tx: T
}

/** One connection that writes, several that read, each read in a transaction of its own for the snapshot. */
export class SqliteEngine implements Engine {
  readonly #writer: Open<Tx>
  readonly #readers: readonly Open<ReadTx>[]
  readonly #pool: Pool<Open<ReadTx>>
  readonly #events: EngineEvents

  /** @param writer already migrated */
  constructor(path: string, writer: DatabaseSync, surroundings: Surroundings, events: EngineEvents) {
    const shared: Shared = new Map()
    const open = (database: DatabaseSync, writable: boolean) => {
      const connection = new SqliteConnection(database)
      const session = new Session(connection, { ...surroundings, shared, writable })
      return { database, connection, session, tx: transactionOver(session) }
    }
    this.#writer = open(writer, true)
    this.#readers = Array.from({ length: READERS }, () => open(openReader(path), false))
    this.#pool = new Pool(this.#readers)
    this.#events = events
  }

  async write(group: readonly PendingWrite[]): Promise<void> {
    const { database, connection, session } = this.#writer
    let outcomes: Outcome[]
    let position: number | null
    try {
      await connection.beginWrite()
      session.begin()
      outcomes = []
      for (const { fn } of group) outcomes.push(await this.#inSavepoint(fn))
      const last = session.writeBack()
      if (last !== null) database.exec(last.text)
      database.exec('COMMIT')
      position = last?.position ?? null
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      session.rolledBack()
      for (const write of group) write.reject(error)
      return
    }
    session.committed()
    for (const [i, write] of group.entries()) settle(write, outcomes[i]!)
    if (position !== null) this.#events.committed(position)
  }

  read<T>(fn: (tx: ReadTx) => Promise<T>): Promise<T> {
    return this.#pool.use(async ({ database, session, tx }) => {
      database.exec('BEGIN')
      session.begin()
      try {
        return await fn(tx)
      } finally {
        session.rolledBack()
        database.exec('ROLLBACK')
      }
    })
  }

  async close(): Promise<void> {
    for (const { database } of this.#readers) database.close()
    this.#writer.database.close()
  }

  /** @throws when SQLite itself took the whole transaction back, as it does when the disk is full */
  async #inSavepoint(fn: (tx: Tx) => Promise<unknown>): Promise<Outcome> {
    const { database, session, tx } = this.#writer
    const mark = session.mark()
    database.exec('SAVEPOINT one')
    try {
      const value = await fn(tx)
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
