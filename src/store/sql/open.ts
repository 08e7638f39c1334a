import { join } from 'node:path'
import type { ServerName } from '#core/ids.ts'
import { UnfitDatabaseError } from '#store/errors.ts'
import { MIGRATIONS } from '#store/migrations/list.ts'
import { migrate } from '#store/migrations/migrate.ts'
import type { Connection } from '#store/sql/connection.ts'
import type { EngineEvents } from '#store/sql/engine.ts'
import { faultOf } from '#store/sql/faults.ts'
import { PostgresConnection } from '#store/sql/postgres/connection.ts'
import { PostgresEngine } from '#store/sql/postgres/engine.ts'
import { Notifications } from '#store/sql/postgres/notifications.ts'
import type { Surroundings } from '#store/sql/session.ts'
import { Positions, SqlStore } from '#store/sql/sql-store.ts'
import { AppendWorker } from '#store/sql/sqlite/append-worker.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { SqliteEngine } from '#store/sql/sqlite/engine.ts'
import { leaveCheckpoints, openWriter } from '#store/sql/sqlite/open.ts'
import type { Store, StoreLog } from '#store/store.ts'
import type { StorageLimits } from '#store/types/storage-use.ts'

export type StoreOptions = {
  /** `sqlite` (a file under `dataDir`), or the postgres:// address of a database. */
  readonly database: string
  readonly dataDir: string
  /** This server's own name: whose users are local. */
  readonly serverName: ServerName
  readonly clock: () => number
  readonly log: StoreLog
  /** Without, users may store without end. */
  readonly storageLimits?: StorageLimits
  /**
   * Whether SQLite's appends are written in a thread of their own, as a server wants it. Without, what happens hangs on
   * no thread's speed.
   */
  readonly appendThread?: boolean
}

/**
 * Opens the database and brings it up to this program's schema.
 * @throws UnfitDatabaseError; UnavailableError where something outside of the program keeps it from that
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  try {
    return await (options.database === 'sqlite' ? openSqlite(options) : openPostgres(options))
  } catch (error) {
    throw faultOf(error) ?? error
  }
}

async function openSqlite(options: StoreOptions): Promise<Store> {
  const { dataDir, serverName, log, appendThread } = options
  const positions = new Positions(log)
  const path = join(dataDir, 'hearth.db')
  const writer = openWriter(path)
  try {
    const connection = new SqliteConnection(writer)
    await migrate(connection, MIGRATIONS, log)
    positions.reached(await storedPosition(connection))
    if (appendThread) leaveCheckpoints(writer)
    const appends = appendThread ? new AppendWorker(path, serverName) : null
    return new SqlStore(
      new SqliteEngine(path, writer, appends, surroundingsOf(options), eventsOf(positions)),
      positions,
      log,
    )
  } catch (error) {
    writer.close()
    throw error
  }
}

async function openPostgres(options: StoreOptions): Promise<Store> {
  const { database, log } = options
  const positions = new Positions(log)
  const connection = await PostgresConnection.connect(database)
  try {
    await checkEncoding(connection)
    await migrate(connection, MIGRATIONS, log)
  } finally {
    await connection.close()
  }
  const events = eventsOf(positions)
  const notifications = new Notifications(database, events, log)
  await notifications.start()
  return new SqlStore(new PostgresEngine(database, surroundingsOf(options), notifications, events), positions, log)
}

function surroundingsOf({ serverName, clock, storageLimits }: StoreOptions): Surroundings {
  return { serverName, clock, ...(storageLimits && { storageLimits }) }
}

function eventsOf(positions: Positions): EngineEvents {
  return { committed: (position, commit) => positions.reached(position, commit) }
}

async function storedPosition(connection: Connection): Promise<number> {
  const { rows } = await connection.execute('SELECT position FROM counters', [], false)
  return rows[0]?.['position'] as number
}

async function checkEncoding(connection: Connection): Promise<void> {
  const { rows } = await connection.execute("SELECT current_setting('server_encoding') AS encoding", [], false)
  const encoding = rows[0]?.['encoding']
  if (encoding !== 'UTF8') {
    throw new UnfitDatabaseError(`The PostgreSQL database must have the encoding UTF8, it has ${encoding}`)
  }
}
