import assert from 'node:assert/strict'
import { it } from 'node:test'
import { UnavailableError } from '#core/unavailable-error.ts'
import { Health } from '#services/health/health.ts'
import type { Store } from '#store/store.ts'
import { manualTime } from '#test/harness/manual-time.ts'

function world() {
  const { clock, timers, advance } = manualTime(1_000_000)
  const state = { fault: null as UnavailableError | null, reads: 0, writes: 0, answers: true }
  const store = {
    fault: () => state.fault,
    async read() {
      state.reads += 1
      if (!state.answers) return new Promise(() => {})
      if (state.fault?.reason === 'unreachable') throw state.fault
      return 1
    },
    async write() {
      state.writes += 1
      if (state.fault !== null) throw state.fault
    },
  } as unknown as Store
  return { health: new Health({ store, clock, timers }), state, advance }
}

it('asks the database, once a second however many ask', async () => {
  const { health, state, advance } = world()
  assert.deepEqual(await Promise.all([health.problem(), health.problem()]), [null, null])
  assert.equal(await health.problem(), null)
  assert.deepEqual([state.reads, state.writes], [1, 0])
  state.fault = new UnavailableError('unreachable')
  advance(1_000)
  assert.equal(await health.problem(), "The database can't be reached")
})

it('finds out whether a full disk has room again', async () => {
  const { health, state, advance } = world()
  state.fault = new UnavailableError('disk full')
  assert.equal(await health.problem(), 'The disk of the database is full')
  assert.equal(state.writes, 1)
  state.fault = null
  advance(1_000)
  assert.equal(await health.problem(), null)
})

it('waits only so long', async () => {
  const { health, state, advance } = world()
  state.answers = false
  const problem = health.problem()
  advance(3_000)
  assert.equal(await problem, "The database doesn't answer")
})
