import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import { firstTables } from '#store/migrations/0001/tables.ts'
import { DDL } from '#store/migrations/ddl.ts'
import { Session } from '#store/sql/session.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { RowCache } from '#store/state-tree/row-cache.ts'
import { EMPTY_STATE, type StateChange, StateTree } from '#store/state-tree/state-tree.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateKeyNid } from '#store/types/state.ts'

const ROOM = 1 as RoomNid
const put = (key: number, event: number): StateChange => [key as StateKeyNid, event as EventNid]
const gone = (key: number): StateChange => [key as StateKeyNid, null]
const entry = (key: number) => [key as StateKeyNid, (key + 1) as EventNid] as const

const SERVER = 'hearth.example' as ServerName

describe('the state tree on a database', () => {
  let connection: SqliteConnection
  let sql: Session
  let tree: StateTree

  beforeEach(async () => {
    connection = new SqliteConnection(new DatabaseSync(':memory:'))
    await firstTables(connection, DDL.sqlite)
    sql = openSession()
    tree = new StateTree(sql)
  })

  /** With caches of its own: like another process. */
  function openSession(): Session {
    const session = new Session(connection, { shared: new Map(), serverName: SERVER, clock: () => 0, writable: true })
    session.begin()
    return session
  }

  it('reads what was written, with warm and with cold caches', async () => {
    const keys = Array.from({ length: 2000 }, (_, key) => key)
    const base = await tree.build(ROOM, keys.map(entry))
    const next = await tree.apply(ROOM, base, [put(7, 9000), [8 as StateKeyNid, null]])
    sql.committed()
    for (const session of [sql, openSession()]) {
      session.begin()
      const reader = new StateTree(session)
      assert.equal(await reader.get(next, 7 as StateKeyNid), 9000)
      assert.deepEqual(await reader.getMany(next, [8, 9] as StateKeyNid[]), [undefined, 10])
      assert.deepEqual(
        (await reader.diff(base, next)).sort(([a], [b]) => a - b),
        [
          [7, 8, 9000],
          [8, 9, undefined],
        ],
      )
      assert.equal((await reader.entries(base)).length, 2000)
    }
  })

  it('changes many entries at once', async () => {
    const keys = Array.from({ length: 3000 }, (_, key) => key)
    const base = await tree.build(ROOM, keys.map(entry))
    const changes = keys.filter((key) => key % 3 > 0).map((key) => (key % 3 === 1 ? put(key, 9000) : gone(key)))
    const left = keys.filter((key) => key % 3 < 2)
    const expected = await tree.build(
      ROOM,
      left.map((key) => [key as StateKeyNid, (key % 3 === 1 ? 9000 : key + 1) as EventNid]),
    )
    assert.ok(await tree.equal(await tree.apply(ROOM, base, changes), expected))
    assert.equal(await tree.apply(ROOM, base, keys.map(entry)), base)
  })

  it('knows states of the same content, built separately', async () => {
    const a = await tree.build(ROOM, [1, 2, 3].map(entry))
    const b = await tree.apply(ROOM, await tree.build(ROOM, [3, 2].map(entry)), [put(1, 2)])
    const c = await tree.apply(ROOM, b, [put(1, 3)])
    assert.notEqual(a, b)
    assert.ok(await tree.equal(a, b))
    assert.ok(!(await tree.equal(a, c)))
    assert.equal(await tree.fingerprint(EMPTY_STATE), 0n)
    assert.deepEqual(await tree.diff(a, b), [])
  })

  it('keeps nothing of a change that was taken back, though its id is given out again', async () => {
    const base = await tree.build(ROOM, [1, 2].map(entry))
    const mark = sql.mark()
    await connection.execute('SAVEPOINT one', [])
    const lost = await tree.apply(ROOM, base, [put(1, 50)])
    assert.equal(await tree.get(lost, 1 as StateKeyNid), 50)
    await connection.execute('ROLLBACK TO one', [])
    sql.rolledBackTo(mark)
    const other = await tree.apply(ROOM, base, [put(1, 60)])
    assert.equal(other, lost)
    assert.equal(await tree.get(other, 1 as StateKeyNid), 60)
    assert.equal(await new StateTree(openSession()).get(other, 1 as StateKeyNid), 60)
  })

  it('shows the rows of a transaction to no other connection before the commit', async () => {
    const shared = new Map()
    const options = { shared, serverName: SERVER, clock: () => 0, writable: true }
    const [writer, reader] = [new Session(connection, options), new Session(connection, options)]
    writer.begin()
    reader.begin()
    const state = await new StateTree(writer).build(ROOM, [1].map(entry))
    const cache = [...shared.values()].find((value) => value instanceof RowCache)!
    assert.equal(cache.get(state), undefined)
    writer.committed()
    assert.notEqual(cache.get(state), undefined)
  })

  it('says which row a damaged database lacks', async () => {
    await assert.rejects(tree.get(99 as typeof EMPTY_STATE, 1 as StateKeyNid), /lacks row 99/)
  })

  it('refuses what it could not store', async () => {
    await assert.rejects(tree.apply(ROOM, EMPTY_STATE, [put(1, 1), put(1, 2)]), RangeError)
    await assert.rejects(tree.apply(ROOM, EMPTY_STATE, [put(2 ** 32, 1)]), RangeError)
    await assert.rejects(tree.apply(ROOM, EMPTY_STATE, [put(1, -1)]), RangeError)
  })
})

describe('the cache of rows', () => {
  it('stays within its bytes, and keeps what is used', () => {
    const cache = new RowCache(10_000)
    const row = (id: number) => ({ id, data: new Uint8Array(150) })
    cache.set(row(0))
    for (let id = 1; id < 1000; id++) {
      cache.set(row(id))
      assert.notEqual(cache.get(0), undefined)
      assert.ok(cache.bytes <= 10_000)
    }
    assert.equal(cache.get(1), undefined)
    assert.notEqual(cache.get(999), undefined)
  })
})
