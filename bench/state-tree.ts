/**
 * What a room's state costs on disk and in time: `node bench/state-tree.ts [members …]`. For each room size: a room of
 * that many members is built at once, then CHANGES single member events follow, each a state of its own.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerName } from '#core/ids.ts'
import { firstTables } from '#store/migrations/0001/tables.ts'
import { DDL } from '#store/migrations/ddl.ts'
import { Session } from '#store/sql/session.ts'
import { SqliteConnection } from '#store/sql/sqlite/connection.ts'
import { openWriter } from '#store/sql/sqlite/open.ts'
import { StateTree } from '#store/state-tree/state-tree.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId, StateKeyNid } from '#store/types/state.ts'

const CHANGES = 10_000
/** States written in one transaction, as in a group commit. */
const STATES_IN_COMMIT = 50
const ROOM = 1 as RoomNid

const sizes = process.argv.slice(2).map(Number)
console.log('members   bytes a state: data   file   µs a change   µs a warm get   cold load ms   bulk bytes an entry')
for (const members of sizes.length > 0 ? sizes : [100, 10_000, 100_000]) console.log(await measure(members))

async function measure(members: number): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-bench-'))
  try {
    return await measureIn(join(dir, 'hearth.db'), members)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

async function measureIn(path: string, members: number): Promise<string> {
  const database = openWriter(path)
  const connection = new SqliteConnection(database)
  await firstTables(connection, DDL.sqlite)
  const session = () =>
    new Session(connection, {
      shared: new Map(),
      serverName: 'hearth.example' as ServerName,
      clock: () => 0,
      writable: true,
    })
  const sql = session()
  const commit = () => {
    const last = sql.writeBack()
    if (last !== null) database.exec(last.text)
    database.exec('COMMIT')
    sql.committed()
  }
  const fileBytes = () => {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    return statSync(path).size
  }
  const dataBytes = () => Number(database.prepare('SELECT sum(length(data)) AS n FROM state_rows').get()?.['n'] ?? 0)

  const tree = new StateTree(sql)
  const random = randomFrom(1)
  database.exec('BEGIN')
  sql.begin()
  let event = 1000
  const entries = Array.from({ length: members }, (_, key) => [key as StateKeyNid, event++ as EventNid] as const)
  let state = await tree.build(ROOM, entries)
  commit()
  const [bulkData, bulkFile] = [dataBytes(), fileBytes()]

  let started = performance.now()
  for (let n = 0; n < CHANGES; n += STATES_IN_COMMIT) {
    database.exec('BEGIN')
    sql.begin()
    for (let i = 0; i < STATES_IN_COMMIT; i++) {
      // Other events of the room, messages, lie between two changes of its state.
      event += 10
      state = await tree.apply(ROOM, state, [[Math.floor(random() * members) as StateKeyNid, event as EventNid]])
    }
    commit()
  }
  const change = ((performance.now() - started) * 1000) / CHANGES
  const [data, file] = [(dataBytes() - bulkData) / CHANGES, (fileBytes() - bulkFile) / CHANGES]

  sql.begin()
  started = performance.now()
  for (let n = 0; n < CHANGES; n++) await tree.get(state, Math.floor(random() * members) as StateKeyNid)
  const get = ((performance.now() - started) * 1000) / CHANGES

  const cold = await coldLoad(session(), state, members)
  database.close()
  const columns = [
    data.toFixed(0),
    file.toFixed(0),
    change.toFixed(0),
    get.toFixed(1),
    cold.toFixed(0),
    (bulkData / members).toFixed(1),
  ]
  return [String(members).padStart(7), ...columns.map((column) => column.padStart(12))].join(' ')
}

async function coldLoad(sql: Session, state: StateId, members: number): Promise<number> {
  sql.begin()
  const started = performance.now()
  const { length } = await new StateTree(sql).entries(state)
  if (length !== members) throw new Error(`The state has ${length} entries, not ${members}`)
  return performance.now() - started
}

/** Numbers from 0 up to 1, the same in each run. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
