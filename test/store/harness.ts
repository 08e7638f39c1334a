/** Runs the same tests of the store on every database that is at hand. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openStore } from '#store/sql/open.ts'
import type { Store, StoreLog } from '#store/store.ts'

export const QUIET_LOG: StoreLog = { info() {}, warn() {}, error() {} }

/** Opens a store on a fresh database; a second call in the same test opens the same database once more. */
export type Open = () => Promise<Store>

/**
 * Declares the tests of `body` once a database. `open` belongs to the test that runs: stores it opened are closed and
 * their database is removed after the test.
 */
export function forEachDatabase(name: string, body: (test: DatabaseTest) => void): void {
  describe(`${name} (sqlite)`, () => body(testWith(sqliteDatabase)))
}

export type DatabaseTest = (name: string, fn: (open: Open) => Promise<void>) => void

type Database = { options: { database: string; dataDir: string }; remove(): Promise<void> }

function testWith(create: () => Promise<Database>): DatabaseTest {
  return (name, fn) => {
    it(name, async () => {
      const database = await create()
      const stores: Store[] = []
      try {
        await fn(async () => {
          const store = await openStore({ ...database.options, clock: () => 1_700_000_000_000, log: QUIET_LOG })
          stores.push(store)
          return store
        })
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
