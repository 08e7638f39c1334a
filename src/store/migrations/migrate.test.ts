import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, it } from 'node:test'
import { DatabaseTooNewError } from '#store/errors.ts'
import { MIGRATIONS } from '#store/migrations/list.ts'
import { type Migration, migrate } from '#store/migrations/migrate.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { QUIET_LOG } from '#test/store/harness.ts'

describe('migrations', () => {
  let connection: SqliteConnection
  let ran: number[]

  beforeEach(() => {
    connection = new SqliteConnection(new DatabaseSync(':memory:'))
    ran = []
  })

  const step = (version: number, fails = false): Migration => ({
    version,
    name: `step ${version}`,
    async up(to) {
      await to.execute(`CREATE TABLE t${version} (a INTEGER)`, [], false)
      if (fails) throw new Error('on purpose')
      ran.push(version)
    },
  })

  const tables = async () =>
    (await connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 't_'", [])).rows.map((row) => row['name'])

  it('run in order, each once', async () => {
    await migrate(connection, [step(1), step(2)], QUIET_LOG)
    await migrate(connection, [step(1), step(2), step(3)], QUIET_LOG)
    assert.deepEqual(ran, [1, 2, 3])
  })

  it('leave whole steps when one fails, and go on from there', async () => {
    await assert.rejects(migrate(connection, [step(1), step(2, true)], QUIET_LOG), /on purpose/)
    assert.deepEqual(await tables(), ['t1'])
    await migrate(connection, [step(1), step(2)], QUIET_LOG)
    assert.deepEqual(ran, [1, 2])
  })

  it('refuse a database that a newer program wrote, and leave it as it is', async () => {
    await migrate(connection, [step(1), step(2)], QUIET_LOG)
    await assert.rejects(migrate(connection, [step(1)], QUIET_LOG), DatabaseTooNewError)
    assert.deepEqual(await tables(), ['t1', 't2'])
  })

  it('are numbered in a row from 1', () => {
    assert.deepEqual(
      MIGRATIONS.map(({ version }) => version),
      MIGRATIONS.map((_, i) => i + 1),
    )
  })
})
