import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseTooNewError } from '#store/errors.ts'
import { MIGRATIONS } from '#store/migrations/list.ts'
import type { Connection } from '#store/sql/connection.ts'
import { faultOf } from '#store/sql/faults.ts'
import { PostgresConnection } from '#store/sql/postgres/connection.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { openReader } from '#store/sql/sqlite/open.ts'

/** What a database says of itself. */
export type DatabaseInspection = {
  /** The server that it belongs to; null for none yet. */
  readonly serverName: string | null
  /** Whether accounts exist: from then on it belongs to that server for good. */
  readonly hasAccounts: boolean
}

/**
 * Looks into a database without changing anything; null where there is none yet.
 *
 * @throws UnfitDatabaseError; UnavailableError where it can't be reached or read
 */
export async function inspectDatabase(database: string, dataDir: string): Promise<DatabaseInspection | null> {
  try {
    if (database !== 'sqlite') {
      const connection = await PostgresConnection.connect(database)
      return await inspect(connection).finally(() => connection.close())
    }
    const path = join(dataDir, 'hearth.db')
    if (!existsSync(path)) return null
    const reader = openReader(path)
    return await inspect(new SqliteConnection(reader)).finally(() => reader.close())
  } catch (error) {
    throw faultOf(error) ?? error
  }
}

async function inspect(connection: Connection): Promise<DatabaseInspection | null> {
  const tables = connection.dialect === 'postgres' ? 'pg_tables' : 'sqlite_schema'
  const column = connection.dialect === 'postgres' ? 'tablename' : 'name'
  const found = await connection.execute(`SELECT ${column} FROM ${tables} WHERE ${column} = 'meta'`, [], false)
  if (found.rows.length === 0) return null
  const { rows } = await connection.execute('SELECT key, value FROM meta', [], false)
  const meta = new Map(rows.map((row) => [row['key'] as string, row['value'] as string]))
  const version = Number(meta.get('schema_version') ?? 0)
  if (version > MIGRATIONS.length) throw new DatabaseTooNewError(version, MIGRATIONS.length)
  if (version === 0) return { serverName: null, hasAccounts: false }
  const accounts = await connection.execute('SELECT 1 FROM accounts LIMIT 1', [], false)
  return { serverName: meta.get('server_name') ?? null, hasAccounts: accounts.rows.length > 0 }
}
