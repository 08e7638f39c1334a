import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import { UnstorableTextError } from '#store/errors.ts'
import { firstTables } from '#store/migrations/0001/tables.ts'
import { DDL } from '#store/migrations/ddl.ts'
import { integerList, textList } from '#store/sql/connection.ts'
import { Session } from '#store/sql/session.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'

describe('a session', () => {
  let sql: Session

  beforeEach(async () => {
    const connection = new SqliteConnection(new DatabaseSync(':memory:'))
    await firstTables(connection, DDL.sqlite)
    sql = new Session(connection, {
      shared: new Map(),
      serverName: 'hearth.example' as ServerName,
      clock: () => 0,
      writable: true,
    })
    sql.begin()
  })

  const put = (id: number, room: number, data = new Uint8Array([id])) =>
    sql.run('INSERT INTO state_rows (id, room, data) VALUES (?, ?, ?)', [id, room, data])

  it('replaces the parameters of a prepared statement at each call', async () => {
    const insert = sql.prepare((db, p: { id: number; room: number; data: Uint8Array }) =>
      db.insertInto('state_rows').values({ id: p.id, room: p.room, data: p.data }),
    )
    const find = sql.prepare((db, p: { room: number; limit: number }) =>
      db.selectFrom('state_rows').select(['id', 'room']).where('room', '=', p.room).orderBy('id').limit(p.limit),
    )
    for (const id of [1, 2, 3])
      assert.equal(await insert.run({ id, room: id === 2 ? 8 : 9, data: new Uint8Array() }), 1)
    const rows = await find.all({ room: 9, limit: 5 })
    assert.deepEqual(
      rows.map(({ id }) => id),
      [1, 3],
    )
    assert.equal((await find.get({ room: 8, limit: 1 }))?.id, 2)
    assert.equal(await find.get({ room: 7, limit: 1 }), undefined)
  })

  it('takes lists of any length in one prepared statement', async () => {
    for (const id of [1, 2, 3]) await put(id, 1)
    const find = sql.prepare((db, p: { ids: string }) =>
      db.selectFrom('state_rows').select('id').where('id', 'in', sql.integers(p.ids)).orderBy('id'),
    )
    for (const wanted of [[], [2], [1, 3]]) {
      const rows = await find.all({ ids: integerList(wanted) })
      assert.deepEqual(
        rows.map(({ id }) => id),
        wanted,
      )
    }
    const meta = sql.prepare((db, p: { keys: string }) =>
      db.selectFrom('meta').select('key').where('key', 'in', sql.texts(p.keys)),
    )
    assert.throws(() => textList(['a\0b']), UnstorableTextError)
    await sql.run('CREATE TABLE meta (key TEXT, value TEXT)')
    await sql.run("INSERT INTO meta VALUES ('it''s \"é\"', '')")
    assert.equal((await meta.all({ keys: textList(['it\'s "é"', 'b']) })).length, 1)
  })

  it('gives numbers back as they were stored', async () => {
    await put(Number.MAX_SAFE_INTEGER, 1)
    assert.equal((await sql.db.selectFrom('state_rows').select('id').executeTakeFirst())?.id, Number.MAX_SAFE_INTEGER)
    const typed = await sql.get<{ a: string; b: string }>('SELECT typeof(?) AS a, json_array(?) AS b', [3, 3])
    assert.deepEqual({ ...typed }, { a: 'integer', b: '[3]' })
  })

  it('refuses parameters that a database would store as something else', async () => {
    const bind = (value: unknown) => sql.get('SELECT ? AS v', [value as string])
    await assert.rejects(bind('a\0b'), UnstorableTextError)
    await assert.rejects(bind('\ud800'), UnstorableTextError)
    for (const value of [undefined, new Date(), [1], {}, Number.NaN, 2 ** 53, 2n ** 63n]) {
      await assert.rejects(bind(value), TypeError)
    }
    for (const value of [null, 'é', '', 1.5, -1]) assert.equal(((await bind(value)) as { v: unknown }).v, value)
    assert.equal(((await bind(true)) as { v: unknown }).v, 1)
    assert.deepEqual(((await bind(new Uint8Array())) as { v: unknown }).v, new Uint8Array())
  })

  it('refuses statements after the end of the transaction', async () => {
    sql.committed()
    await assert.rejects(sql.get('SELECT 1'), /has ended/)
    await assert.rejects(sql.allocate('room'), /only inside a write/)
  })

  it('counts in blocks, and writes back only what changed', async () => {
    assert.equal(await sql.allocate('state', 3), 1)
    assert.equal(await sql.allocate('state'), 4)
    assert.deepEqual(sql.writeBack(), { text: 'UPDATE counters SET "state" = 4', position: null })
    assert.equal(await sql.nextPosition(), 1)
    assert.equal(await sql.position(), 1)
    assert.equal(sql.writeBack()?.position, 1)
    await assert.rejects(sql.allocate('state', 0), RangeError)
  })

  it('runs the hooks of what was kept, and of what was taken back', async () => {
    const ran: string[] = []
    sql.afterCommit(() => ran.push('first committed'))
    const mark = sql.mark()
    await sql.allocate('state', 5)
    sql.afterCommit(() => ran.push('never'))
    sql.afterRollback(() => ran.push('taken back'))
    sql.afterRollback(() => ran.push('latest first'))
    sql.rolledBackTo(mark)
    assert.equal(sql.writeBack(), null)
    sql.committed()
    assert.deepEqual(ran, ['latest first', 'taken back', 'first committed'])
  })
})
