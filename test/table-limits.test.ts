/** Whatever a client can make grow names its limit: each table, and each endpoint that writes. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { RATE_LIMITS } from '#config/rate-limits.ts'
import { configSchema } from '#config/schema.ts'
import { COUNTED_TABLES } from '#store/migrations/0001/storage-use.ts'
import { DDL } from '#store/migrations/ddl.ts'
import { MIGRATIONS } from '#store/migrations/list.ts'
import type { Connection } from '#store/sql/connection.ts'
import { STORAGE_KINDS } from '#store/types/storage-use.ts'
import { readEndpoints } from '#test/harness/operations.ts'
import { TABLE_LIMITS } from '#test/harness/table-limits.ts'

const tables = await definedTables()
const endpoints = await readEndpoints()
const counted = new Set(COUNTED_TABLES.map(({ table }) => table))

/** All tables that the migrations define. */
async function definedTables(): Promise<string[]> {
  const found: string[] = []
  const connection = {
    async execute(text: string) {
      const [, table] = /^\s*CREATE TABLE (\w+)/.exec(text) ?? []
      if (table !== undefined) found.push(table)
      return { rows: [], changes: 0 }
    },
  } as unknown as Connection
  for (const { up } of MIGRATIONS) await up(connection, DDL.sqlite)
  return found
}

/** The text of a file, or of all files in a folder. */
function sourceOf(path: string): string {
  if (statSync(path).isFile()) return readFileSync(path, 'utf8')
  return readdirSync(path)
    .map((name) => sourceOf(join(path, name)))
    .join('\n')
}

describe('each table', () => {
  for (const table of tables.filter((name) => !counted.has(name))) {
    it(`has a limit: ${table}`, () => {
      const limit = TABLE_LIMITS[table]
      assert.ok(
        limit,
        'count it in COUNTED_TABLES of the schema, or say in test/harness/table-limits.ts what bounds it',
      )
      if ('rate' in limit) assert.ok(limit.rate in RATE_LIMITS, limit.rate)
      if ('limit' in limit) assert.ok(sourceOf(limit.in).includes(limit.limit), `${limit.in} has no ${limit.limit}`)
      if ('dropped' in limit) assert.ok(sourceOf(limit.in).includes(limit.dropped), `${limit.in}: ${limit.dropped}`)
    })
  }

  it('is listed once, and exists', () => {
    const listed = [...Object.keys(TABLE_LIMITS), ...counted]
    assert.deepEqual(listed.toSorted(), tables.toSorted())
  })

  it('is counted under a kind that has a figure in the settings', () => {
    assert.deepEqual([...new Set(COUNTED_TABLES.map(({ kind }) => kind))].sort(), STORAGE_KINDS.toSorted())
    const { storage_limits: limits } = configSchema.properties
    assert.deepEqual(Object.keys(limits.properties).sort(), STORAGE_KINDS.toSorted())
  })
})

/** Endpoints that write without a limit on requests, and why. */
const WITHOUT_RATE: Readonly<Record<string, string>> = {
  inviteUser: 'counted by room, by target and by issuer',
  logout: 'takes away what a limited login made',
  logout_all: 'takes away what a limited login made',
}

describe('each endpoint of clients that writes', () => {
  for (const { endpoint } of endpoints) {
    if (endpoint.method === 'GET' || endpoint.auth === 'server' || endpoint.rateLimit !== false) continue
    it(`is limited in its rate: ${endpoint.spec ?? endpoint.paths[0]}`, () => {
      assert.ok(Object.hasOwn(WITHOUT_RATE, endpoint.spec ?? ''), "give it `rateLimit: 'other'`, or say why not here")
    })
  }
})
