/**
 * Random scripts of what clients and servers do, from a seed; each ends with everybody having decrypted what they could.
 * HEARTH_TEST_SEED=n HEARTH_TEST_SCRIPTS=1 npm run e2ee plays the script n again, HEARTH_TEST_SCRIPTS=1000 many.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { lackOf, type Servers, startServers, TOPOLOGIES } from '#test/e2ee/harness/servers.ts'
import { ACTIONS } from '#test/e2ee/random/actions.ts'
import { playScript } from '#test/e2ee/random/play.ts'
import { seed } from '#test/system/harness/random.ts'

/** So many, or more, take each action at least once. */
const REGULAR_SCRIPTS = 30
const SCRIPTS = Number(process.env['HEARTH_TEST_SCRIPTS'] ?? REGULAR_SCRIPTS)
const SCRIPT_MS_MAX = 180_000
const SEEDS = Array.from({ length: SCRIPTS }, (_, i) => seed() + i)

const taken = new Map(Object.keys(ACTIONS).map((name) => [name, 0]))
let checked = 0
let excused = 0
let skipped = 0

for (const [i, topology] of TOPOLOGIES.entries()) {
  const seeds = SEEDS.filter((number) => number % TOPOLOGIES.length === i)
  const skip = lackOf('nio') ?? (topology === 'Hearth and Synapse' ? lackOf('Synapse') : null) ?? false
  if (skip !== false) skipped += seeds.length
  describe(topology, { skip: seeds.length === 0 ? 'no script is for this' : skip }, () => {
    let servers: Servers
    before(async () => {
      servers = await startServers(topology)
    })
    after(() => servers?.[Symbol.asyncDispose]())

    for (const number of seeds) {
      it(`script ${number}`, { timeout: SCRIPT_MS_MAX }, async (test) => {
        const outcome = await playScript(servers, number)
        test.diagnostic(outcome.script.join(', '))
        checked += outcome.checked
        excused += outcome.excused
        for (const [name, count] of Object.entries(outcome.taken)) taken.set(name, taken.get(name)! + count)
      })
    }
  })
}

it('each action was taken', { skip: skipped === SCRIPTS }, (test) => {
  const counts = [...taken].map(([name, count]) => `${name} ${count}`).join(', ')
  test.diagnostic(`HEARTH_TEST_SEED=${seed()}: ${counts}; ${checked} messages read, ${excused} excused`)
  if (SCRIPTS < REGULAR_SCRIPTS) return
  const never = [...taken].filter(([, count]) => count === 0).map(([name]) => name)
  assert.deepEqual(never, [])
  assert.ok(checked > SCRIPTS * 10, `${checked} messages read`)
})
