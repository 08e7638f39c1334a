import type { DatabaseSync } from 'node:sqlite'
import { type Engine, type EngineEvents, type PendingWrite, settle } from '#store/sql/engine.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { Pool } from '#store/sql/pool.ts'
import { Session, type Shared, type Surroundings } from '#store/sql/session.ts'
import { receivedCommit, type SentAppend, sentAppend } from '#store/sql/sqlite/append-messages.ts'
import type { AppendWorker } from '#store/sql/sqlite/append-worker.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { openReader } from '#store/sql/sqlite/open.ts'
import { type GroupOutcome, WriteConnection } from '#store/sql/sqlite/write-connection.ts'
import { storedEvents } from '#store/sql/stored-events.ts'
import { transactionOver } from '#store/sql/tx.ts'
import type { ReadTx } from '#store/store.ts'
import type { Append, Appended } from '#store/types/events.ts'

const READERS = 4

type Reader = { readonly database: DatabaseSync; readonly session: Session; readonly tx: ReadTx }

/**
 * One connection that writes functions, one in a thread of its own that writes appends, several that read, each read in
 * a transaction of its own for the snapshot.
 */
export class SqliteEngine implements Engine {
  readonly #writer: WriteConnection
  readonly #appends: AppendWorker | null
  readonly #clock: () => number
  readonly #readers: readonly Reader[]
  readonly #pool: Pool<Reader>
  readonly #events: EngineEvents

  /**
   * @param writer already migrated
   * @param appends null: appends are written in this thread, like all else
   */
  constructor(
    path: string,
    writer: DatabaseSync,
    appends: AppendWorker | null,
    surroundings: Surroundings,
    events: EngineEvents,
  ) {
    const shared: Shared = new Map()
    this.#writer = new WriteConnection(writer, surroundings, shared)
    this.#appends = appends
    this.#clock = surroundings.clock
    this.#readers = Array.from({ length: READERS }, () => {
      const database = openReader(path)
      const session = new Session(new SqliteConnection(database), { ...surroundings, shared, writable: false })
      return { database, session, tx: transactionOver(session) }
    })
    this.#pool = new Pool(this.#readers)
    this.#events = events
  }

  get writesAppendsApart(): boolean {
    return this.#appends !== null
  }

  async write(group: readonly PendingWrite[]): Promise<void> {
    let done: GroupOutcome
    try {
      done = await this.#run(group)
    } catch (error) {
      for (const write of group) write.reject(error)
      return
    }
    for (const [i, write] of group.entries()) settle(write, done.outcomes[i]!)
    if (done.commit !== null) this.#events.committed(done.commit.to, done.commit)
  }

  read<T>(fn: (tx: ReadTx) => Promise<T>): Promise<T> {
    return this.#pool.use(async ({ database, session, tx }) => {
      database.exec('BEGIN')
      session.begin()
      try {
        return await fn(tx)
      } finally {
        session.rolledBack()
        // SQLite ends a transaction by itself when the disk fails it.
        if (database.isTransaction) database.exec('ROLLBACK')
      }
    })
  }

  async close(): Promise<void> {
    await this.#appends?.close()
    for (const { database } of this.#readers) database.close()
    this.#writer.close()
  }

  async #run(group: readonly PendingWrite[]): Promise<GroupOutcome> {
    const appends = group.flatMap(({ append }) => append ?? [])
    if (this.#appends === null || appends.length === 0) return this.#writer.run(group.map(({ fn }) => fn))
    const sent: SentAppend[] = []
    for (const append of appends) sent.push(await sentAppend(append))
    const { outcomes, commit } = await this.#appends.run(sent, this.#clock())
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.ok) this.#remember(appends[i]!, sent[i]!, outcome.value as Appended)
    }
    return { outcomes, commit: commit && receivedCommit(commit, appends, outcomes) }
  }

  /** Readers want what was written last; parsing it once more would be a waste. */
  #remember(append: Append, sent: SentAppend, appended: Appended): void {
    const stored = perConnection(this.#readers[0]!.session, storedEvents)
    for (const [i, { nid }] of appended.events.entries()) {
      stored.remember(nid, append.events[i]!.event, sent.events[i]!.event.text.length)
    }
  }
}
