import { DatabaseTooNewError } from '#store/errors.ts'
import { DDL, type Ddl } from '#store/migrations/ddl.ts'
import type { Connection } from '#store/sql/connection.ts'
import type { StoreLog } from '#store/store.ts'

/** One step of the schema. Never changed once it was released. */
export type Migration = {
  /** Consecutive from 1. */
  readonly version: number
  readonly name: string
  /** Runs inside a transaction, which also records the version. */
  up(connection: Connection, d: Ddl): Promise<void>
}

/** Any number, the same in all processes: whose transaction holds it changes the schema. */
const POSTGRES_LOCK = 7_235_422_018

const META = 'CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)'

/**
 * Brings the database to the newest of the given versions. Each step is one transaction, so a crash leaves whole steps;
 * of two processes that start at once, one waits for the other's step and finds it done.
 * @throws DatabaseTooNewError
 */
export async function migrate(connection: Connection, migrations: readonly Migration[], log: StoreLog): Promise<void> {
  const known = migrations.length
  await inTransaction(connection, async () => {
    await connection.execute(META, [], false)
    const version = await versionOf(connection)
    if (version > known) throw new DatabaseTooNewError(version, known)
  })
  for (const { version, name, up } of migrations) {
    const ran = await inTransaction(connection, async () => {
      if ((await versionOf(connection)) >= version) return false
      await up(connection, DDL[connection.dialect])
      await connection.execute(
        `INSERT INTO meta (key, value) VALUES ('schema_version', '${version}')
         ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
        [],
        false,
      )
      return true
    })
    if (ran) log.info({ version, name }, 'The database schema was changed')
  }
}

async function versionOf(connection: Connection): Promise<number> {
  const { rows } = await connection.execute("SELECT value FROM meta WHERE key = 'schema_version'", [], false)
  return Number(rows[0]?.['value'] ?? 0)
}

async function inTransaction<T>(connection: Connection, fn: () => Promise<T>): Promise<T> {
  await connection.beginWrite()
  try {
    if (connection.dialect === 'postgres')
      await connection.execute(`SELECT pg_advisory_xact_lock(${POSTGRES_LOCK})`, [], false)
    const result = await fn()
    await connection.execute('COMMIT', [], false)
    return result
  } catch (error) {
    // Where it can't be taken back it is already, and the first error says why.
    await connection.execute('ROLLBACK', [], false).catch(() => {})
    throw error
  }
}
