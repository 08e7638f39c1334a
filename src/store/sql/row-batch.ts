import { parameterValue, type SqlValue } from '#store/sql/connection.ts'
import { Pauses } from '#store/sql/pauses.ts'
import type { Schema } from '#store/sql/schema.ts'
import type { Sql } from '#store/sql/sql.ts'

type ColumnType = 'integer' | 'text' | 'bytes'
type Columns = Readonly<Record<string, ColumnType>>

/** A change that rows of values are given to, one row for each row of the table. Made once by the functions below. */
export type RowChange = {
  readonly columns: Columns
  /** The statement for one row, its values in the order of `columns`. */
  readonly single: string
  /** The statement for many rows, which stand in `r`. Its table must not appear twice with the same row. */
  readonly many: (r: string) => string
}

/** Inserts rows; `conflict` is the clause for those that exist. */
export function insertInto(table: keyof Schema, columns: Columns, conflict = ''): RowChange {
  const names = Object.keys(columns)
  const into = `INSERT INTO ${table} (${names.join(', ')})`
  return {
    columns,
    single: `${into} VALUES (${names.map(() => '?').join(', ')}) ${conflict}`,
    many: (r) => `${into} SELECT ${names.join(', ')} FROM ${r} ${conflict}`,
  }
}

/** Deletes the rows that have these values. */
export function deleteFrom(table: keyof Schema, columns: Columns): RowChange {
  const names = Object.keys(columns)
  return {
    columns,
    single: `DELETE FROM ${table} WHERE ${names.map((name) => `${name} = ?`).join(' AND ')}`,
    many: (r) =>
      `DELETE FROM ${table} USING ${r} WHERE ${names.map((name) => `${table}.${name} = r.${name}`).join(' AND ')}`,
  }
}

/** Sets columns of the row whose `key` column has the last value. */
export function update(table: keyof Schema, columns: Columns, key: string): RowChange {
  const names = Object.keys(columns)
  return {
    columns: { ...columns, [key]: 'integer' },
    single: `UPDATE ${table} SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE ${key} = ?`,
    many: (r) =>
      `UPDATE ${table} SET ${names.map((name) => `${name} = r.${name}`).join(', ')} FROM ${r} WHERE ${table}.${key} = r.${key}`,
  }
}

/**
 * Changes of many rows in several tables, to be written at once. On SQLite each row is a statement, compiled once; on
 * PostgreSQL all rows together are one statement and so one round trip. There the parts don't see each other's changes,
 * so no row may be changed by two of them.
 */
export class RowBatch {
  readonly #rows = new Map<RowChange, (readonly SqlValue[])[]>()

  /** @param values in the order of the change's columns */
  add(change: RowChange, ...values: readonly SqlValue[]): void {
    const rows = this.#rows.get(change)
    if (rows === undefined) this.#rows.set(change, [values])
    else rows.push(values)
  }

  async write(sql: Sql): Promise<void> {
    if (sql.dialect === 'postgres') {
      await this.#writeAtOnce(sql)
      return
    }
    const pauses = new Pauses()
    for (const [change, rows] of this.#rows) {
      for (const row of rows) {
        await sql.run(change.single, row)
        if (pauses.due()) await pauses.pause()
      }
    }
  }

  async #writeAtOnce(sql: Sql): Promise<void> {
    if (this.#rows.size === 0) return
    const parts = [...this.#rows.keys()].map((change, i) => `c${i} AS (${change.many(recordset(change.columns))})`)
    const lists = [...this.#rows].map(([change, rows]) =>
      JSON.stringify(rows.map((row) => record(change.columns, row))),
    )
    await sql.run(`WITH ${parts.join(', ')} SELECT 1`, lists)
  }
}

const POSTGRES_TYPES: Readonly<Record<ColumnType, string>> = { integer: 'bigint', text: 'text', bytes: 'bytea' }

function recordset(columns: Columns): string {
  const typed = Object.entries(columns).map(([name, type]) => `${name} ${POSTGRES_TYPES[type]}`)
  return `json_to_recordset(?::json) AS r(${typed.join(', ')})`
}

function record(columns: Columns, row: readonly SqlValue[]): Record<string, unknown> {
  return Object.fromEntries(Object.keys(columns).map((name, i) => [name, jsonValue(row[i])]))
}

/** A value as json_to_recordset reads it. Refuses what a parameter of a statement refuses. */
function jsonValue(value: SqlValue | undefined): string | number | null {
  const checked = parameterValue(value)
  if (checked instanceof Uint8Array) return `\\x${Buffer.from(checked).toString('hex')}`
  return typeof checked === 'bigint' ? Number(checked) : checked
}
