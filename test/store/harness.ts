/** Runs the same tests of the store on every database that is at hand. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import pg from 'pg'
import type { ServerName } from '#core/ids.ts'
import type { DialectName } from '#store/sql/connection.ts'
import { openStore, type StoreOptions } from '#store/sql/open.ts'
import type { Store, StoreLog } from '#store/store.ts'
import type { StorageLimits } from '#store/types/storage-use.ts'

export const QUIET_LOG: StoreLog = { info() {}, warn() {}, error() {} }

/** Opens a store on a fresh database; a second call in the same test opens the same database once more. */
export interface Open {
  (storageLimits?: StorageLimits): Promise<Store>
  /** Where that database is. */
  readonly options: Pick<StoreOptions, 'database' | 'dataDir'>
}

const POSTGRES = process.env['HEARTH_TEST_POSTGRES']

/**
 * Declares the tests of `body` once a database. `open` belongs to the test that runs: stores it opened are closed and
 * their database is removed after the test. PostgreSQL takes part when HEARTH_TEST_POSTGRES holds the address of a
 * server where databases may be made (`tools/postgres-for-tests.sh run npm test`).
 */
export function forEachDatabase(name: string, body: (test: DatabaseTest, dialect: DialectName) => void): void {
  describe(`${name} (sqlite)`, () => body(testWith(sqliteDatabase), 'sqlite'))
  describe(`${name} (sqlite, appends in a thread)`, () => body(testWith(sqliteDatabase, true), 'sqlite'))
  if (POSTGRES === undefined) {
    describe(`${name} (postgres)`, { skip: 'PostgreSQL is NOT tested: HEARTH_TEST_POSTGRES is not set' }, () => {})
  } else {
    describe(`${name} (postgres)`, () =>
      body(
        testWith(() => postgresDatabase(POSTGRES)),
        'postgres',
      ))
  }
}

export type DatabaseTest = (name: string, fn: (open: Open) => Promise<void>) => void

type Database = { options: Open['options']; remove(): Promise<void> }

function testWith(create: () => Promise<Database>, appendThread = false): DatabaseTest {
  return (name, fn) => {
    it(name, async () => {
      const database = await create()
      const stores: Store[] = []
      try {
        const open = async (storageLimits: StorageLimits = {}) => {
          const store = await openStore({
            ...database.options,
            serverName: 'hearth.example' as ServerName,
            clock: () => 1_700_000_000_000,
            log: QUIET_LOG,
            storageLimits,
            appendThread,
          })
          stores.push(store)
          return store
        }
        await fn(Object.defineProperty(open, 'options', { value: database.options }) as Open)
      } finally {
        for (const store of stores) await store[Symbol.asyncDispose]()
        await database.remove()
      }
    })
  }
}

async function sqliteDatabase(): Promise<Database> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hearth-store-'))
  return { options: { database: 'sqlite', dataDir }, remove: () => rm(dataDir, { recursive: true, force: true }) }
}

let databases = 0

async function postgresDatabase(server: string): Promise<Database> {
  const name = `hearth_test_${process.pid}_${databases++}`
  await administrate(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return {
    options: { database: url.href, dataDir: '' },
    remove: () => administrate(server, `DROP DATABASE ${name} WITH (FORCE)`),
  }
}

async function administrate(server: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  await client.query(statement)
  await client.end()
}
