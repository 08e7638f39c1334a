/**
 * State resolution against an independent implementation and against itself, on generated rooms. Needs Python; installs
 * Synapse where it isn't there (see `synapsePython`). HEARTH_ORACLE_PROBLEMS, HEARTH_ORACLE_VERSION_1,
 * HEARTH_ORACLE_ORDERS, HEARTH_ORACLE_LARGE and HEARTH_ORACLE_SEED override how many problems are made, and from which seed on.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event, StateMap } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import { resolve } from '#core/state/resolve.ts'
import { run } from '#core/state/steps.ts'
import { Random } from '#test/generators/random.ts'
import { generateRoom, type RoomCounts, type RoomProblem } from '#test/generators/room-graph.ts'
import { synapsePython } from '#test/harness/synapse-python.ts'
import { resolveWithSynapse } from '#test/oracle/synapse.ts'

const SEED = setting('HEARTH_ORACLE_SEED', 1)
const PROBLEMS = setting('HEARTH_ORACLE_PROBLEMS', 2_000)
const PROBLEMS_VERSION_1 = setting('HEARTH_ORACLE_VERSION_1', 200)
const PROBLEMS_IN_ORDERS = setting('HEARTH_ORACLE_ORDERS', 10_000)
const PROBLEMS_LARGE = setting('HEARTH_ORACLE_LARGE', 100)
const ORDERS = 3
const EVENTS_LARGE = 200

function setting(name: string, usual: number): number {
  return Number(process.env[name] ?? usual)
}

const [version1, ...laterVersions] = [...ROOM_VERSIONS.values()] as [RoomVersionRules, ...RoomVersionRules[]]
const version12 = laterVersions.at(-1) as RoomVersionRules

/** All room versions but the first in turn; every third problem is of version 12, which resolves in its own way. */
function rulesFor(seed: number): RoomVersionRules {
  return seed % 3 === 0 ? version12 : (laterVersions[seed % laterVersions.length] as RoomVersionRules)
}

/** One problem of 10 to 40 events for each seed. */
function smallProblem(seed: number): RoomProblem {
  return generateRoom(seed, rulesFor(seed), 10 + (seed % 31))
}

function largeProblem(seed: number): RoomProblem {
  return generateRoom(seed, rulesFor(seed), EVENTS_LARGE)
}

function resolved({ rules, states, events, rejected }: RoomProblem, order: readonly StateMap[] = states): StateMap {
  return run(resolve(rules, order, events, { isRejected: (eventId) => rejected.has(eventId) }))
}

/** Makes problems one after the other and sums up what was in them. */
class Problems {
  readonly #sum = { problems: 0, events: 0, conflicts: 0, bans: 0, powerChanges: 0, rejected: 0 }
  readonly #make: (seed: number) => RoomProblem
  readonly #count: number

  constructor(count: number, make: (seed: number) => RoomProblem) {
    this.#count = count
    this.#make = make
  }

  *[Symbol.iterator](): Generator<RoomProblem> {
    for (let seed = SEED; seed < SEED + this.#count; seed++) {
      const problem = this.#make(seed)
      this.#add(problem.events.size, problem.counts)
      yield problem
    }
  }

  #add(events: number, counts: RoomCounts): void {
    assert.ok(counts.forks >= 2, 'each problem has at least two forks')
    assert.ok(counts.conflicts >= 1, 'each problem has a conflict')
    const sum = this.#sum
    sum.problems += 1
    sum.events += events
    sum.conflicts += counts.conflicts > 0 ? 1 : 0
    sum.bans += counts.bans > 0 ? 1 : 0
    sum.powerChanges += counts.powerChanges > 0 ? 1 : 0
    sum.rejected += counts.rejected > 0 ? 1 : 0
  }

  /** Prints in how many problems each thing came up, and fails where one never did. */
  report(say: (line: string) => void): void {
    say(
      Object.entries(this.#sum)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
    )
    for (const [name, count] of Object.entries(this.#sum)) assert.notEqual(count, 0, `no problem had ${name}`)
  }
}

async function compareWithSynapse(problems: Problems): Promise<void> {
  // A problem is kept from when it is sent until its answer comes.
  const ours = problems[Symbol.iterator]()
  const sent: RoomProblem[] = []
  function* sending(): Generator<RoomProblem> {
    for (const problem of ours) {
      sent.push(problem)
      yield problem
    }
  }
  let compared = 0
  for await (const theirs of resolveWithSynapse(synapsePython(), sending())) {
    const problem = sent.shift() as RoomProblem
    assertSameState(problem, resolved(problem), theirs)
    compared += 1
  }
  assert.equal(sent.length, 0, `Synapse stopped after ${compared} answers`)
}

function assertSameState(problem: RoomProblem, ours: StateMap, theirs: StateMap): void {
  const differing = [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter((key) => ours.get(key) !== theirs.get(key))
    .map((key) => `${key.replace('\0', ' ')}: ${ours.get(key)}, not ${theirs.get(key)}`)
  assert.deepEqual(differing, [], `version ${problem.rules.version}, seed ${problem.seed}`)
}

test('generated rooms resolve as Synapse resolves them', async (t) => {
  const problems = new Problems(PROBLEMS, smallProblem)
  await compareWithSynapse(problems)
  problems.report((line) => t.diagnostic(line))
})

test('generated rooms of version 1 resolve as Synapse resolves them', async (t) => {
  const problems = new Problems(PROBLEMS_VERSION_1, (seed) => generateRoom(seed, version1, 10 + (seed % 31)))
  await compareWithSynapse(problems)
  problems.report((line) => t.diagnostic(line))
})

test('large generated rooms resolve as Synapse resolves them', async (t) => {
  const problems = new Problems(PROBLEMS_LARGE, largeProblem)
  await compareWithSynapse(problems)
  problems.report((line) => t.diagnostic(line))
})

test('the order in which events and states arrive makes no difference', (t) => {
  const problems = new Problems(PROBLEMS_IN_ORDERS, smallProblem)
  for (const problem of problems) {
    const first = resolved(problem)
    const random = new Random(problem.seed)
    for (let order = 1; order < ORDERS; order++) {
      const events = new Map<EventId, Event>(random.shuffled(problem.events))
      const states = random.shuffled(problem.states).map((state) => new Map(random.shuffled(state)))
      assertSameState(problem, resolved({ ...problem, events }, states), first)
    }
  }
  problems.report((line) => t.diagnostic(line))
})
