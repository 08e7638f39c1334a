import type { StateMap } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { Slices, Steps } from './steps.ts'

/** "Unconflicted state map and conflicted state set". */
export type Conflicts = {
  readonly unconflicted: StateMap
  readonly conflicted: ReadonlySet<EventId>
}

/**
 * Splits states: a pair that stands in every one of them is unconflicted, all else is conflicted; so also a pair that
 * one state lacks.
 */
export function* separate(states: readonly StateMap[], steps: Steps): Slices<Conflicts> {
  const unconflicted = new Map<string, EventId>()
  const conflicted = new Set<EventId>()
  const [first, ...others] = states
  for (const [key, eventId] of first ?? []) {
    if (others.every((other) => other.get(key) === eventId)) unconflicted.set(key, eventId)
    else conflicted.add(eventId)
    if (steps.take()) yield
  }
  for (const other of others) {
    for (const [key, eventId] of other) {
      if (!unconflicted.has(key)) conflicted.add(eventId)
      if (steps.take()) yield
    }
  }
  return { unconflicted, conflicted }
}

/** The states' differing events by key, and the rest. Room version 1: a pair that a state lacks is no conflict. */
export type ConflictsV1 = {
  readonly unconflicted: StateMap
  readonly conflicted: ReadonlyMap<string, ReadonlySet<EventId>>
}

/** Splits states as room version 1 does: "those states have different event_ids for the same (event_type, state_key)". */
export function* separateV1(states: readonly StateMap[], steps: Steps): Slices<ConflictsV1> {
  const unconflicted = new Map<string, EventId>()
  const conflicted = new Map<string, Set<EventId>>()
  for (const state of states) {
    for (const [key, eventId] of state) {
      const other = unconflicted.get(key)
      const known = conflicted.get(key)
      if (known !== undefined) known.add(eventId)
      else if (other === undefined) unconflicted.set(key, eventId)
      else if (other !== eventId) {
        unconflicted.delete(key)
        conflicted.set(key, new Set([other, eventId]))
      }
      if (steps.take()) yield
    }
  }
  return { unconflicted, conflicted }
}

/** Whether all states are the same. */
export function areEqual(states: readonly StateMap[]): boolean {
  const [first, ...others] = states
  if (first === undefined) return true
  return others.every((other) => {
    if (other === first) return true
    if (other.size !== first.size) return false
    for (const [key, eventId] of first) if (other.get(key) !== eventId) return false
    return true
  })
}
