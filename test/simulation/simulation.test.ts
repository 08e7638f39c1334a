/**
 * The simulated world, seed by seed. HEARTH_SIMULATION_SEEDS and HEARTH_SIMULATION_FROM override how many seeds are run
 * and from which on; `npm run simulate -- --seeds N` does the same outside of the tests.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KEPT_SEEDS } from '#test/simulation/kept-seeds.ts'
import { runSeeds } from '#test/simulation/run-seeds.ts'
import { simulate } from '#test/simulation/world.ts'

const SEEDS = Number(process.env['HEARTH_SIMULATION_SEEDS'] ?? 200)
const FROM = Number(process.env['HEARTH_SIMULATION_FROM'] ?? 1)

/** Has crashes, a partition and partial joins. */
const REPEATED_SEED = 9

describe('seeds that once broke a promise', () => {
  for (const { seed, about } of KEPT_SEEDS) {
    // Those among the others are run with them.
    if (seed >= FROM && seed < FROM + SEEDS) continue
    it(`${seed}: ${about}`, async () => {
      await simulate(seed)
    })
  }
})

it('does the same again with the same seed', async () => {
  const [once, again] = [await simulate(REPEATED_SEED), await simulate(REPEATED_SEED)]
  assert.equal(again.trace, once.trace)
  assert.deepEqual(again.coverage, once.coverage)
})

it(`${SEEDS} seeds from ${FROM} on`, async () => {
  const { failures, never, summary } = await runSeeds(FROM, SEEDS, (line) => console.log(line))
  console.log(summary)
  assert.deepEqual(
    failures.map(({ seed }) => seed),
    [],
  )
  assert.deepEqual(never, [])
})
