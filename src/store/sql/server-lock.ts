/** Keeps a second server away from a data folder and a database, as long as this process lives. */
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AlreadyServedError } from '#store/errors.ts'
import { faultOf } from '#store/sql/faults.ts'
import { PostgresServerLock } from '#store/sql/postgres/server-lock.ts'
import type { StoreLog } from '#store/store.ts'

const LOCK_FILE = 'hearth.lock'

export type ServerLock = AsyncDisposable & {
  /** Resolves, with the reason, when somebody else has taken what was held: then nothing may be written any more. */
  readonly lost: Promise<string>
}

/**
 * Takes the data folder, and the database where that is PostgreSQL. The operating system, and PostgreSQL, end the locks
 * with the process, however it ends.
 *
 * @throws AlreadyServedError where another server holds one of them; UnavailableError where there is no knowing
 */
export async function takeServerLock(options: {
  readonly database: string
  readonly dataDir: string
  readonly log: StoreLog
}): Promise<ServerLock> {
  const { database, dataDir, log } = options
  await using taken = new AsyncDisposableStack()
  taken.defer(lockFolder(dataDir))
  let lost = new Promise<string>(() => {})
  if (database !== 'sqlite') {
    const held = taken.use(
      await PostgresServerLock.take(database, log).catch((error) => Promise.reject(faultOf(error) ?? error)),
    )
    lost = held.lost
  }
  const ending = taken.move()
  return { lost, [Symbol.asyncDispose]: () => ending.disposeAsync() }
}

/** Returns the function that ends the lock. */
function lockFolder(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const path = join(dataDir, LOCK_FILE)
  // Not where it is there: a process that closes any descriptor of a file loses the locks that it has on it.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
  // SQLite has what Node lacks: locks of the operating system. Nothing is ever written.
  const file = new DatabaseSync(path, { timeout: 0 })
  try {
    file.exec('PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE')
  } catch (error) {
    file.close()
    const fault = faultOf(error)
    throw fault?.reason === 'busy' ? new AlreadyServedError(`the data folder ${dataDir}`) : (fault ?? error)
  }
  return () => file.close()
}
