import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import { type Connection, parameterValue, type Result, type Row } from '#store/sql/connection.ts'

/** Compiled statements kept a connection. */
const STATEMENTS_MAX = 1000

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
