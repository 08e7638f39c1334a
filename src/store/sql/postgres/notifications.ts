import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EngineEvents } from '#store/sql/engine.ts'
import { PostgresConnection } from '#store/sql/postgres/connection.ts'
import type { StoreLog } from '#store/store.ts'

const CHANNEL = 'hearth_position'
const RECONNECT_MS = 1000

/** Hears of other processes' commits, and tells them of this one's. What a broken connection missed is caught up with. */
export class Notifications {
  readonly #url: string
  readonly #events: EngineEvents
  readonly #log: StoreLog
  readonly #stop = new AbortController()
  /** Tells this process's own notifications from those of others. */
  readonly #origin = randomUUID()
  #connection: PostgresConnection | null = null

  constructor(url: string, events: EngineEvents, log: StoreLog) {
    this.#url = url
    this.#events = events
    this.#log = log
  }

  /** The statement, inside a transaction, that tells the other processes of a position once it is committed. */
  statement(position: number): string {
    return `SELECT pg_notify('${CHANNEL}', '${position} ${this.#origin}')`
  }

  /** Tells of everything that is committed by now. */
  async catchUp(): Promise<void> {
    if (this.#connection !== null) await this.#tellPosition(this.#connection)
  }

  /** Resolves when news are heard. */
  async start(): Promise<void> {
    const connection = await PostgresConnection.connect(this.#url)
    try {
      connection.client.on('notification', ({ payload = '' }) => {
        const [position, origin] = payload.split(' ')
        // The engine tells of its own commits, and what was in them.
        if (origin !== this.#origin) this.#events.committed(Number(position))
      })
      await connection.script(`LISTEN ${CHANNEL}`)
      await this.#tellPosition(connection)
    } catch (error) {
      await connection.close()
      throw error
    }
    connection.client.once('end', () => this.#restart())
    this.#connection = connection
    if (this.#stop.signal.aborted) await connection.close()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#connection?.close()
  }

  async #tellPosition(connection: PostgresConnection): Promise<void> {
    const { rows } = await connection.execute('SELECT position FROM counters', [], false)
    this.#events.committed(rows[0]?.['position'] as number)
  }

  async #restart(): Promise<void> {
    let isTold = false
    while (!this.#stop.signal.aborted) {
      try {
        await this.start()
        return
      } catch (error) {
        if (!isTold) this.#log.warn({ cause: String(error) }, 'The database is not reached, its commits are not heard')
        isTold = true
      }
      await sleep(RECONNECT_MS, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
  }
}
