import { join } from 'node:path'
import { MIGRATIONS } from '#store/migrations/list.ts'
import { migrate } from '#store/migrations/migrate.ts'
import { Positions, SqlStore } from '#store/sql/sql-store.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { SqliteEngine } from '#store/sql/sqlite/engine.ts'
import { openWriter } from '#store/sql/sqlite/open.ts'
import type { Store, StoreLog } from '#store/store.ts'

export type StoreOptions = {
  /** `sqlite` (a file under `dataDir`), or the postgres:// address of a database. */
  readonly database: string
  readonly dataDir: string
  readonly clock: () => number
  readonly log: StoreLog
}

/**
 * Opens the database and brings it up to this program's schema.
 * @throws DatabaseTooNewError
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const positions = new Positions(options.log)
  const events = { committed: (position: number) => positions.reached(position) }
  const path = join(options.dataDir, 'hearth.db')
  const writer = openWriter(path)
  try {
    const connection = new SqliteConnection(writer)
    await migrate(connection, MIGRATIONS, options.log)
    const { rows } = await connection.execute('SELECT position FROM counters', [])
    positions.reached(rows[0]?.['position'] as number)
    return new SqlStore(new SqliteEngine(path, writer, options.clock, events), positions)
  } catch (error) {
    writer.close()
    throw error
  }
}
