/** Where a server under test keeps its data: a fresh SQLite file or a fresh PostgreSQL database. */
import { describe } from 'node:test'
import pg from 'pg'

const POSTGRES = process.env['HEARTH_TEST_POSTGRES']

export type DatabaseName = 'sqlite' | 'postgres'
export type Database = { readonly setting: string; remove(): Promise<void> }

/**
 * Declares the tests of `body` once a database. PostgreSQL takes part when HEARTH_TEST_POSTGRES holds the address of a
 * server where databases may be made (`tools/postgres-for-tests.sh run …`).
 */
export function onEachDatabase(name: string, body: (database: DatabaseName) => void): void {
  describe(`${name} (sqlite)`, () => body('sqlite'))
  const skip = POSTGRES === undefined ? 'PostgreSQL is NOT tested: HEARTH_TEST_POSTGRES is not set' : false
  describe(`${name} (postgres)`, { skip }, () => body('postgres'))
}

let made = 0

export async function freshDatabase(name: DatabaseName): Promise<Database> {
  if (name === 'sqlite') return { setting: 'sqlite', remove: async () => {} }
  const server = POSTGRES!
  const database = `hearth_system_${process.pid}_${made++}`
  await administrate(server, `CREATE DATABASE ${database}`)
  const url = new URL(server)
  url.pathname = `/${database}`
  return { setting: url.href, remove: () => administrate(server, `DROP DATABASE ${database} WITH (FORCE)`) }
}

async function administrate(server: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  await client.query(statement)
  await client.end()
}
