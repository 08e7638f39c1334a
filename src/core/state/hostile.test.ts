import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventId } from '#core/ids.ts'
import { resolve } from '#core/state/resolve.ts'
import { run, Steps } from '#core/state/steps.ts'
import {
  diamonds,
  everyoneDiffers,
  type HostileGraph,
  longChain,
  manyEpochs,
  wideFork,
} from '#test/generators/hostile-graphs.ts'
import { gatherAuthChains } from './gather-events.ts'

const EVENTS = 10_000

const GRAPHS: Readonly<Record<string, (version: string, count: number) => HostileGraph>> = {
  diamonds,
  longChain,
  wideFork: (version, count) => everyoneDiffers(wideFork(version, count)),
  manyEpochs,
}

function stepsFor({ room, states }: HostileGraph): number {
  const steps = new Steps()
  const resolved = run(resolve(room.rules, states, room.events, { steps }))
  assert.equal(resolved.get('m.room.create\0'), '$create')
  return steps.total
}

for (const version of ['11', '12']) {
  for (const [name, make] of Object.entries(GRAPHS)) {
    test(`S44: ${EVENTS} events as ${name} resolve in a linear number of steps (version ${version})`, () => {
      const steps = stepsFor(make(version, EVENTS))
      const stepsForTenth = stepsFor(make(version, EVENTS / 10))
      assert.ok(steps < EVENTS * 60, `${steps} steps`)
      assert.ok(steps < stepsForTenth * 15 + 1_000, `${stepsForTenth} steps for a tenth, ${steps} for all`)
    })
  }
}

test('S44: a long resolution gives way after each slice', () => {
  const { room, states } = diamonds('11', EVENTS)
  const steps = new Steps(500)
  const slices = resolve(room.rules, states, room.events, { steps })
  let yields = 0
  let before = 0
  for (let step = slices.next(); !step.done; step = slices.next()) {
    yields += 1
    // A power levels event takes a step for each user that it names, here two.
    assert.ok(steps.total - before >= 500 && steps.total - before <= 502)
    before = steps.total
  }
  assert.ok(yields > 100)
  assert.ok(steps.total - before < 500)
})

test('S44: events that authorise each other in a circle do not stop the resolution', () => {
  const { room, states } = longChain('2', 50)
  const chain = [...room.events.values()].filter(({ type }) => type === 'm.room.power_levels')
  const [first, last] = [chain[1], chain.at(-1)]
  assert.ok(first !== undefined && last !== undefined)
  const events = new Map(room.events).set(first.eventId, { ...first, authEvents: [...first.authEvents, last.eventId] })
  const resolved = run(resolve(room.rules, states, events))
  assert.deepEqual(resolved.get('m.room.create\0'), '$create')
})

test('gathering asks for each event of the auth chains once', () => {
  const { room, states } = diamonds('11', 1_000)
  const tips = states.flatMap((state) => [...state.values()])
  const gathering = gatherAuthChains(tips)
  const asked: EventId[] = []
  let step = gathering.next([])
  while (!step.done) {
    asked.push(...step.value)
    step = gathering.next(step.value.map((id) => room.events.get(id)).filter((event) => event !== undefined))
  }
  assert.equal(new Set(asked).size, asked.length)
  const needed = run(resolve(room.rules, states, room.events))
  assert.deepEqual(run(resolve(room.rules, states, step.value)), needed)
  assert.ok(step.value.size < room.events.size, 'what no chain holds is not asked for')
})
