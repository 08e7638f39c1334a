/** S44: what other servers can make costly costs no more than its length. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import { diamonds, everyoneDiffers, type HostileGraph, longChain, wideFork } from '#test/generators/hostile-graphs.ts'
import { storeGraph } from '#test/generators/stored-graph.ts'

/** Rows of all tables for an event: itself, its id, its place in some index. */
const ROWS_PER_EVENT_MAX = 3
/** A long chain is read link by link. */
const READS_PER_EVENT_MAX = 1

const GRAPHS: Readonly<Record<string, (version: string, count: number) => HostileGraph>> = {
  diamonds,
  'a long chain': longChain,
  'a wide fork': (version, count) => everyoneDiffers(wideFork(version, count)),
}

let dataDir: string
let store: Store
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'hearth-hostile-'))
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  store = await openStore({ database: 'sqlite', dataDir, serverName: 'here.test' as ServerName, clock: () => 0, log })
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  rmSync(dataDir, { recursive: true })
})

function rowsStored(): number {
  using database = new DatabaseSync(join(dataDir, 'hearth.db'), { readOnly: true })
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()
  return tables.reduce(
    (sum, { name }) => sum + Number(database.prepare(`SELECT count(*) AS n FROM "${name}"`).get()?.['n']),
    0,
  )
}

/** The store, and how often it is read. */
function counted(): { readonly store: Store; readonly reads: () => number } {
  let reads = 0
  const counting = new Proxy(store, {
    get(target, name) {
      if (name === 'read') reads += 1
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  return { store: counting, reads: () => reads }
}

describe('S44: a graph made to be costly', () => {
  for (const version of ['11', '12']) {
    for (const [name, make] of Object.entries(GRAPHS)) {
      it(`${name} takes rows and reads in proportion to its length (version ${version})`, async () => {
        const graph = make(version, 2_000)
        const events = graph.room.events.size
        const rowsBefore = rowsStored()
        const { room, states } = await storeGraph(store, graph)
        const rows = rowsStored() - rowsBefore
        assert.ok(rows <= events * ROWS_PER_EVENT_MAX, `${rows} rows for ${events} events`)
        const { store: counting, reads } = counted()
        await stateBefore(counting, room, graph.room.rules, states)
        assert.ok(reads() <= events * READS_PER_EVENT_MAX, `${reads()} reads for ${events} events`)
        assert.ok(rowsStored() - rowsBefore - rows <= states.length * 10, 'a resolution writes one state')
      })
    }
  }
})
