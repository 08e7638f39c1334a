import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import { MIGRATIONS } from '#store/migrations/list.ts'
import { migrate } from '#store/migrations/migrate.ts'
import { Positions, SqlStore } from '#store/sql/sql-store.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { SqliteEngine } from '#store/sql/sqlite/engine.ts'
import { openWriter } from '#store/sql/sqlite/open.ts'
import type { ReadTx, Store, Tx } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'
import { QUIET_LOG } from '#test/store/harness.ts'

const append = (tx: Tx) => tx.log.append('profile', { userNid: 1 as UserNid })
const serverName = 'hearth.example' as ServerName
const logged = async (tx: ReadTx) => (await tx.log.between(0, 1000, 1000)).map(({ position }) => position)

describe('the SQLite engine', () => {
  let dir: string
  let path: string
  let writer: DatabaseSync
  let store: Store

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'hearth-sqlite-'))
    path = join(dir, 'hearth.db')
    writer = openWriter(path)
    await migrate(new SqliteConnection(writer), MIGRATIONS, QUIET_LOG)
    const positions = new Positions(QUIET_LOG)
    const events = { committed: (position: number) => positions.reached(position) }
    store = new SqlStore(
      new SqliteEngine(path, writer, null, { serverName, clock: () => 0 }, events),
      positions,
      QUIET_LOG,
    )
  })

  afterEach(async () => {
    await store[Symbol.asyncDispose]()
    rmSync(dir, { recursive: true })
  })

  it('waits for another process that writes, and lets the event loop run', async () => {
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const write = store.write(append)
    // Two turns: the group is begun in the first, and finds the database locked.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    other.exec('COMMIT')
    other.close()
    assert.equal(await write, 1)
  })

  it('does nothing by halves when the disk is full, and goes on when there is room', async () => {
    await store.write(append)
    const pages = writer.prepare('PRAGMA page_count').get()?.['page_count'] as number
    writer.exec(`PRAGMA max_page_count = ${pages + 2}`)
    const large = async (tx: Tx) => {
      await append(tx)
      await tx.log.setFollowerPosition('x'.repeat(100_000), 1)
    }
    const results = await Promise.allSettled([store.write(append), store.write(large)])
    assert.equal(results[1].status, 'rejected')
    const done = results[0].status === 'fulfilled' ? [1, 2] : [1]
    assert.deepEqual(await store.read(logged), done)
    assert.equal(store.position(), done.length)
    writer.exec('PRAGMA max_page_count = 1000000')
    assert.equal(await store.write(append), done.length + 1)
  })

  it('is durable: it syncs each commit, and only its owner may read it', () => {
    assert.equal(writer.prepare('PRAGMA synchronous').get()?.['synchronous'], 2)
    assert.equal(writer.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'wal')
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })
})
