import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { type Connection, parameterValue, type Result, type Row } from '#store/sql/connection.ts'

/** Compiled statements kept a connection. */
const STATEMENTS_MAX = 1000
/** How long a write waits for another process (`hearth backup`, `hearth user`) that writes: about half a minute. */
const LOCK_ATTEMPTS_MAX = 1000
const LOCK_RETRY_MS = 10

/** A connection of node:sqlite. Each statement is done when the call returns. */
export class SqliteConnection implements Connection {
  readonly dialect = 'sqlite'
  readonly #database: DatabaseSync
  // Statements of both kinds: SQLite compiles in the caller's thread, and the texts of one program are few.
  readonly #statements = new LRUCache<string, { statement: StatementSync; givesRows: boolean }>({ max: STATEMENTS_MAX })

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  async execute(text: string, parameters: readonly unknown[]): Promise<Result> {
    const { statement, givesRows } = this.#statement(text)
    const values = parameters.map(parameterValue) as SQLInputValue[]
    if (!givesRows) return { rows: [], changes: Number(statement.run(...values).changes) }
    const rows = statement.all(...values) as Row[]
    return { rows, changes: rows.length }
  }

  /** IMMEDIATE: a transaction that reads first and then wants to write would fail at once if another one wrote. */
  async beginWrite(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#database.exec('BEGIN IMMEDIATE')
        return
      } catch (error) {
        if (!isBusy(error) || attempt === LOCK_ATTEMPTS_MAX) throw error
      }
      await sleep(LOCK_RETRY_MS)
    }
  }

  #statement(text: string) {
    let known = this.#statements.get(text)
    if (known === undefined) {
      const statement = this.#database.prepare(text)
      // With RETURNING, a change gives rows too.
      known = { statement, givesRows: statement.columns().length > 0 }
      this.#statements.set(text, known)
    }
    return known
  }
}

/** True when another connection holds what this one wants. */
function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  // The extended code's low byte is the primary one: 5 is SQLITE_BUSY.
  return typeof code === 'number' && (code & 0xff) === 5
}
