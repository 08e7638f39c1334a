import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Events of about a kilobyte waste less of a page of this size than of the usual 4096. Fixed when the file is made. */
const PAGE_BYTES = 8192
/** Pages of the write-ahead log before it is copied into the database: fewer, larger checkpoints. */
const CHECKPOINT_PAGES = 4000
/** The same where another connection does it as a rule. */
const CHECKPOINT_PAGES_AT_LAST = 4 * CHECKPOINT_PAGES
/** What is left of the log's file after a checkpoint. */
const LOG_FILE_BYTES_MAX = 64 * 1024 * 1024
const WRITER_CACHE_KIB = 64 * 1024
const READER_CACHE_KIB = 16 * 1024
/** SQLite waits in our thread, so only briefly; a longer wait is ours, between turns of the event loop. */
const BUSY_MS = 20
/** While nothing is served yet: two processes may create the database at once. */
const OPEN_BUSY_MS = 5000

/** The connection that writes. Creates the file, readable by its owner alone, since it holds secrets. */
export function openWriter(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true })
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  const database = new DatabaseSync(path, { timeout: OPEN_BUSY_MS, enableForeignKeyConstraints: true })
  database.exec(`
    PRAGMA page_size = ${PAGE_BYTES};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${LOG_FILE_BYTES_MAX};
    PRAGMA cache_size = -${WRITER_CACHE_KIB};
    PRAGMA temp_store = MEMORY;
    PRAGMA busy_timeout = ${BUSY_MS};
  `)
  return database
}

/**
 * Leaves it to another connection, with a thread of its own, to copy the write-ahead log into the database when it has
 * written something: that takes 24 ms of processor time, and longer for the disk. Only where it writes nothing for very
 * long this one does it.
 */
export function leaveCheckpoints(database: DatabaseSync): void {
  database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES_AT_LAST}`)
}

/** A connection that can't write. */
export function openReader(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS, readOnly: true })
  database.exec(`PRAGMA cache_size = -${READER_CACHE_KIB}; PRAGMA temp_store = MEMORY;`)
  return database
}
