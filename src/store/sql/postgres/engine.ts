import { setTimeout as sleep } from 'node:timers/promises'
import { CommitOutcomeUnknownError } from '#store/errors.ts'
import { type Engine, type EngineEvents, type Outcome, type PendingWrite, settle } from '#store/sql/engine.ts'
import { Pool } from '#store/sql/pool.ts'
import type { PostgresConnection } from '#store/sql/postgres/connection.ts'
import { isConflict, isConnectionLost } from '#store/sql/postgres/errors.ts'
import { Link } from '#store/sql/postgres/link.ts'
import type { Notifications } from '#store/sql/postgres/notifications.ts'
import { Session, type Shared, type Surroundings } from '#store/sql/session.ts'
import { transactionOver } from '#store/sql/tx.ts'
import type { ReadTx, Tx } from '#store/store.ts'

const READERS = 8
/** How often a transaction is run that conflicted with another process, or whose connection broke before the commit. */
const ATTEMPTS_MAX = 6
const RETRY_MS = 20

type Over<T> = { readonly session: Session; readonly tx: T }

/** A function failed after it had changed something, so what it shares a transaction with can't be committed. */
class SpoiltGroup extends Error {}

/**
 * One connection that writes, several that read. Positions become visible in their order, whichever process gives them
 * out: the row of the counters is locked from the first number to the commit, and READ COMMITTED reads it as the one
 * before left it.
 */
export class PostgresEngine implements Engine {
  readonly writesAppendsApart = false
  readonly #writer: Link<Over<Tx>>
  readonly #readers: readonly Link<Over<ReadTx>>[]
  readonly #pool: Pool<Link<Over<ReadTx>>>
  readonly #notifications: Notifications
  readonly #events: EngineEvents

  /** @param url of a database already migrated */
  constructor(url: string, surroundings: Surroundings, notifications: Notifications, events: EngineEvents) {
    const shared: Shared = new Map()
    const link = (writable: boolean) =>
      new Link<Over<Tx>>(url, (connection) => {
        const session = new Session(connection, { ...surroundings, shared, writable })
        return { session, tx: transactionOver(session) }
      })
    this.#writer = link(true)
    this.#readers = Array.from({ length: READERS }, () => link(false))
    this.#pool = new Pool(this.#readers)
    this.#notifications = notifications
    this.#events = events
  }

  /** No savepoints, which would cost two round trips a function: if one spoils the group, each is run by itself. */
  async write(group: readonly PendingWrite[]): Promise<void> {
    if (group.length > 1 && (await this.#together(group))) return
    for (const write of group) await this.#alone(write)
  }

  read<T>(fn: (tx: ReadTx) => Promise<T>): Promise<T> {
    return this.#pool.use(async (link) => {
      const { connection, over } = await this.#beginRead(link)
      over.session.begin()
      try {
        return await fn(over.tx)
      } finally {
        over.session.rolledBack()
        if (!connection.broken) await connection.script('ROLLBACK')
      }
    })
  }

  async close(): Promise<void> {
    await this.#notifications.close()
    for (const link of [this.#writer, ...this.#readers]) await link.close()
  }

  /** False when the group was spoilt and nothing of it was done. */
  async #together(group: readonly PendingWrite[]): Promise<boolean> {
    let outcomes: Outcome[]
    try {
      outcomes = await this.#transaction(async ({ session, tx }) => {
        const results: Outcome[] = []
        for (const { fn } of group) {
          const mark = session.mark()
          try {
            results.push({ ok: true, value: await fn(tx) })
          } catch (error) {
            if (session.changedSince(mark)) throw new SpoiltGroup()
            session.rolledBackTo(mark)
            results.push({ ok: false, error })
          }
        }
        return results
      })
    } catch (error) {
      if (error instanceof SpoiltGroup) return false
      for (const write of group) write.reject(error)
      return true
    }
    for (const [i, write] of group.entries()) settle(write, outcomes[i]!)
    return true
  }

  async #alone({ fn, resolve, reject }: PendingWrite): Promise<void> {
    try {
      resolve(await this.#transaction(({ tx }) => fn(tx)))
    } catch (error) {
      reject(error)
    }
  }

  /** Runs in a transaction of its own and commits, again when that can help. */
  async #transaction<T>(run: (over: Over<Tx>) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(run)
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !(isConflict(error) || isConnectionLost(error))) throw error
      }
      await sleep(RETRY_MS * 2 ** attempt)
    }
  }

  async #attempt<T>(run: (over: Over<Tx>) => Promise<T>): Promise<T> {
    const { connection, over } = await this.#writer.live()
    let result: T
    try {
      const transactionId = await connection.beginKnown()
      over.session.begin()
      result = await run(over)
      const last = over.session.writeBack()
      await this.#commit(connection, transactionId, last)
    } catch (error) {
      over.session.rolledBack()
      // Nobody else would tell of it, if it was committed.
      if (error instanceof CommitOutcomeUnknownError) this.#notifications.catchUp().catch(() => {})
      // A connection that fails to roll back is of no more use.
      if (!connection.broken) await connection.script('ROLLBACK').catch(() => this.#writer.close())
      throw error
    }
    const commit = over.session.committed()
    if (commit !== null) this.#events.committed(commit.to, commit)
    return result
  }

  /** The counters, the notification and the commit in one round trip. */
  async #commit(
    connection: PostgresConnection,
    transactionId: string,
    last: ReturnType<Session['writeBack']>,
  ): Promise<void> {
    const statements = ['COMMIT']
    if (last !== null) statements.unshift(last.text)
    if (typeof last?.position === 'number') statements.unshift(this.#notifications.statement(last.position))
    let command: string
    try {
      command = (await connection.script(statements.join('; '))).command
    } catch (error) {
      if (!isConnectionLost(error)) throw error
      if (await this.#wasCommitted(transactionId, error)) return
      throw error
    }
    if (command !== 'COMMIT') throw new Error('A statement failed and the function went on: nothing was committed')
  }

  /**
   * Asks over a new connection how a transaction ended, whose connection broke during the commit.
   * @throws CommitOutcomeUnknownError when the server can't be reached in time
   */
  async #wasCommitted(transactionId: string, cause: unknown): Promise<boolean> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      await sleep(RETRY_MS * 2 ** attempt)
      try {
        const { connection } = await this.#writer.live()
        const { rows } = await connection.execute('SELECT pg_xact_status($1::xid8) AS status', [transactionId], false)
        const status = rows[0]?.['status']
        if (status === 'committed' || status === 'aborted') return status === 'committed'
      } catch (error) {
        if (!isConnectionLost(error)) throw new CommitOutcomeUnknownError(error)
      }
    }
    throw new CommitOutcomeUnknownError(cause)
  }

  /** A connection may have broken while it was idle: then another one is made before the function runs. */
  async #beginRead(link: Link<Over<ReadTx>>) {
    for (let attempt = 1; ; attempt++) {
      try {
        const live = await link.live()
        await live.connection.script('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
        return live
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !isConnectionLost(error)) throw error
        await link.close()
      }
      await sleep(RETRY_MS * 2 ** attempt)
    }
  }
}
