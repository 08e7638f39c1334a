import { checkStateDependent } from '#core/auth/state-dependent.ts'
import { sha1Hex } from '#core/crypto.ts'
import { type Event, type StateMap, stateMapKey } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import { separateV1 } from './conflicts.ts'
import type { EventSource } from './event-source.ts'
import type { Slices, Steps } from './steps.ts'

/**
 * State resolution of room version 1: power levels, then join rules, then members, then the rest, each in order of
 * depth, checked against what is resolved so far. Keys of one kind don't see each other's results.
 */
export function* resolveV1(states: readonly StateMap[], events: EventSource, steps: Steps): Slices<StateMap> {
  const { unconflicted, conflicted } = yield* separateV1(states, steps)
  const resolved = new Map(unconflicted)
  const open = new Map<string, Event[]>()
  for (const [key, eventIds] of conflicted) {
    const candidates = [...eventIds].map((eventId) => events.get(eventId)).filter((event) => event !== undefined)
    if (candidates.length > 0) open.set(key, candidates.sort(byDepth))
    if (steps.take()) yield
  }
  for (const type of ['m.room.power_levels', 'm.room.join_rules', 'm.room.member']) {
    const ofType = [...open].filter(([, candidates]) => candidates[0]?.type === type)
    const winners = ofType.map(([key, candidates]) => [key, lastAllowed(key, candidates, resolved, events)] as const)
    for (const [key, winner] of winners) {
      resolved.set(key, winner.eventId)
      open.delete(key)
      if (steps.take()) yield
    }
  }
  const winners = [...open].map(([key, candidates]) => [key, highestAllowed(candidates, resolved, events)] as const)
  for (const [key, winner] of winners) {
    resolved.set(key, winner.eventId)
    if (steps.take()) yield
  }
  return resolved
}

/** "Sort the list by ascending depth then descending sha1(event_id)". */
function byDepth(x: Event, y: Event): number {
  if (x.depth !== y.depth) return x.depth - y.depth
  return sha1Hex(x.eventId) < sha1Hex(y.eventId) ? 1 : -1
}

/**
 * "Add the first event in the list to R. For each subsequent event in the list, check that the event would be allowed
 * … If it would not be allowed, stop".
 */
function lastAllowed(key: string, ascending: readonly Event[], resolved: StateMap, events: EventSource): Event {
  let winner = ascending[0] as Event
  for (const event of ascending.slice(1)) {
    const current = winner
    const lookup = (type: string, stateKey: string) =>
      stateMapKey(type, stateKey) === key ? current : stateEvent(type, stateKey, resolved, events)
    if (!checkStateDependent(event, lookup).ok) break
    winner = event
  }
  return winner
}

/** "Pick the event with the highest depth and lowest sha1(event_id) that passes"; the last in order if none does. */
function highestAllowed(ascending: readonly Event[], resolved: StateMap, events: EventSource): Event {
  const lookup = (type: string, stateKey: string) => stateEvent(type, stateKey, resolved, events)
  const allowed = ascending.findLast((event) => checkStateDependent(event, lookup).ok)
  return allowed ?? (ascending[0] as Event)
}

function stateEvent(type: string, stateKey: string, state: StateMap, events: EventSource): Event | undefined {
  const eventId: EventId | undefined = state.get(stateMapKey(type, stateKey))
  return eventId === undefined ? undefined : events.get(eventId)
}
