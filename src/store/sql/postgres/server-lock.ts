import { setTimeout as sleep } from 'node:timers/promises'
import { AlreadyServedError } from '#store/errors.ts'
import { PostgresConnection } from '#store/sql/postgres/connection.ts'
import type { StoreLog } from '#store/store.ts'

/** Any number, the same in all processes: whose session holds it serves the database. */
const LOCK = 7_235_422_019
/** The server notices within half a minute when the machine of a session is gone. */
const KEEPALIVE = 'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3'
/** How long a start waits for the session of a process that was just killed to end. */
const TAKE_MS_MAX = 2_000
/** How long, after a broken connection, the session before may seem to hold the lock. */
const REGAIN_MS_MAX = 45_000
const RETRY_MS = 200
const RECONNECT_MS = 1_000

/** An advisory lock on a session of its own, which is made anew when it breaks. */
export class PostgresServerLock implements AsyncDisposable {
  /** Resolves when another process has the lock. */
  readonly lost: Promise<string>
  readonly #lose: (reason: string) => void
  readonly #url: string
  readonly #log: StoreLog
  readonly #stop = new AbortController()
  #connection: PostgresConnection | null = null

  private constructor(url: string, log: StoreLog) {
    this.#url = url
    this.#log = log
    const { promise, resolve } = Promise.withResolvers<string>()
    this.lost = promise
    this.#lose = resolve
  }

  /** @throws AlreadyServedError */
  static async take(url: string, log: StoreLog): Promise<PostgresServerLock> {
    const lock = new PostgresServerLock(url, log)
    if (!(await lock.#hold(TAKE_MS_MAX))) throw new AlreadyServedError('the PostgreSQL database')
    return lock
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#connection?.close().catch(() => {}) // It broke, and is gone either way.
  }

  /** Whether the lock is held, after trying for a while. */
  async #hold(msMax: number): Promise<boolean> {
    const connection = await PostgresConnection.connect(this.#url)
    try {
      await connection.script(KEEPALIVE)
      for (let waited = 0; ; waited += RETRY_MS) {
        const { rows } = await connection.execute(`SELECT pg_try_advisory_lock(${LOCK}) AS held`, [], false)
        if (rows[0]?.['held'] === 1) break
        if (waited >= msMax || this.#stop.signal.aborted) {
          await connection.close()
          return false
        }
        await sleep(RETRY_MS)
      }
    } catch (error) {
      await connection.close().catch(() => {})
      throw error
    }
    connection.client.once('end', () => this.#regain())
    this.#connection = connection
    if (this.#stop.signal.aborted) await connection.close()
    return true
  }

  async #regain(): Promise<void> {
    let isTold = false
    while (!this.#stop.signal.aborted) {
      try {
        if (await this.#hold(REGAIN_MS_MAX)) return
        if (!this.#stop.signal.aborted) this.#lose('Another Hearth has taken the PostgreSQL database')
        return
      } catch (error) {
        if (!isTold) this.#log.warn({ cause: String(error) }, 'The database is not reached, and not held meanwhile')
        isTold = true
      }
      await sleep(RECONNECT_MS, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
  }
}
