import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventId } from '#core/ids.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { resolve } from '#core/state/resolve.ts'
import { run, Steps } from '#core/state/steps.ts'
import { Random } from '#test/generators/random.ts'
import { generateRoom, type RoomProblem } from '#test/generators/room-graph.ts'
import { type AuthGraph, authDifference, conflictedSubgraph, generations } from './auth-graph.ts'
import { authEdges } from './event-source.ts'

const ROOMS_PER_VERSION = 12
const EVENTS = 30

const PROBLEMS: readonly RoomProblem[] = [...ROOM_VERSIONS.values()].flatMap((rules) => {
  return Array.from({ length: ROOMS_PER_VERSION }, (_, seed) => generateRoom(seed, rules, EVENTS))
})

function resolved({ rules, states, events, rejected }: RoomProblem) {
  return run(resolve(rules, states, events, { isRejected: (eventId) => rejected.has(eventId) }))
}

const sorted = (state: ReadonlyMap<string, EventId>) => [...state].sort()

test('the order of states, of their entries and of events makes no difference', () => {
  for (const problem of PROBLEMS) {
    const random = new Random(problem.seed)
    const states = random.shuffled(problem.states).map((state) => new Map(random.shuffled(state)))
    const events = new Map(random.shuffled(problem.events))
    const name = `version ${problem.rules.version}, seed ${problem.seed}`
    assert.deepEqual(sorted(resolved({ ...problem, states, events })), sorted(resolved(problem)), name)
  }
})

test('a state that comes twice counts once', () => {
  for (const problem of PROBLEMS) {
    const states = [...problem.states, ...problem.states.map((state) => new Map(state))]
    assert.deepEqual(sorted(resolved({ ...problem, states })), sorted(resolved(problem)))
  }
})

test('a resolved state resolves to itself, and equal states are returned as they are', () => {
  for (const problem of PROBLEMS) {
    const once = resolved(problem)
    assert.equal(resolved({ ...problem, states: [once] }), once)
    assert.equal(resolved({ ...problem, states: [once, new Map(once)] }), once)
  }
  for (const rules of ROOM_VERSIONS.values()) assert.equal(run(resolve(rules, [], new Map())).size, 0)
})

test('events that are missing are passed over', () => {
  for (const problem of PROBLEMS) {
    const random = new Random(problem.seed)
    const events = new Map([...problem.events].filter(() => random.chance(0.8)))
    assert.ok(resolved({ ...problem, events }).size > 0)
  }
})

/** The full auth chain of a state, with the state's own events, by the plain definition. */
function chainOf(tips: Iterable<EventId>, { events }: RoomProblem): Set<EventId> {
  const chain = new Set(tips)
  for (const eventId of chain) for (const parent of authEdges(events.get(eventId)!)) chain.add(parent)
  return chain
}

function graphOf({ events }: RoomProblem): AuthGraph<EventId> {
  const authEvents = (eventId: EventId) => authEdges(events.get(eventId)!)
  const known = run(generations(events.keys(), authEvents, new Steps()))
  return { authEvents, generation: (eventId) => known.get(eventId)! }
}

test('the auth difference is the union of the chains without their intersection', () => {
  for (const problem of PROBLEMS) {
    const chains = problem.states.map((state) => chainOf(state.values(), problem))
    const union = new Set(chains.flatMap((chain) => [...chain]))
    const expected = [...union].filter((eventId) => !chains.every((chain) => chain.has(eventId)))
    const sets = problem.states.map((state) => state.values())
    const found = run(authDifference(sets, [], graphOf(problem), new Steps()))
    assert.deepEqual([...found].sort(), expected.sort())
  }
})

test('the conflicted subgraph is what lies on a path between conflicted events', () => {
  for (const problem of PROBLEMS) {
    const random = new Random(problem.seed)
    const conflicted = new Set([...problem.events.keys()].filter(() => random.chance(0.2)))
    const expected = [...chainOf(conflicted, problem)].filter((eventId) => {
      return [...chainOf([eventId], problem)].some((ancestor) => conflicted.has(ancestor))
    })
    const found = run(conflictedSubgraph(conflicted, graphOf(problem), new Steps()))
    assert.deepEqual([...found].sort(), expected.sort())
  }
})
