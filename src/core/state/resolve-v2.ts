import { type StateMap, stateMapKey } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { type AuthGraph, authDifference, conflictedSubgraph, generations } from './auth-graph.ts'
import { type Conflicts, separate } from './conflicts.ts'
import { authEdges, type EventSource } from './event-source.ts'
import { iterativeAuthChecks } from './iterative-auth.ts'
import { mainlineOrder } from './mainline.ts'
import { powerEventsAndChains, reverseTopologicalPowerOrder } from './power-order.ts'
import type { Slices, Steps } from './steps.ts'

/** State resolution of room versions 2 to 11, and of version 12 ("v2.1"). */
export function* resolveV2(
  rules: RoomVersionRules,
  states: readonly StateMap[],
  events: EventSource,
  isRejected: (eventId: EventId) => boolean,
  steps: Steps,
): Slices<StateMap> {
  const conflicts = yield* separate(states, steps)
  if (conflicts.conflicted.size === 0) return conflicts.unconflicted
  const graph = yield* graphOf(states, events, steps)
  const differing = states.map((state) => [...state.values()].filter((eventId) => conflicts.conflicted.has(eventId)))
  const full = yield* fullConflictedSet(rules, conflicts, differing, graph, steps)
  return yield* resolveConflicted(rules, conflicts.unconflicted, full, events, isRejected, steps)
}

function* graphOf(states: readonly StateMap[], events: EventSource, steps: Steps): Slices<AuthGraph<EventId>> {
  const authEvents = (eventId: EventId) => {
    const event = events.get(eventId)
    return event === undefined ? [] : authEdges(event)
  }
  const tips = new Set(states.flatMap((state) => [...state.values()]))
  const known = yield* generations(tips, authEvents, steps)
  return { authEvents, generation: (eventId) => known.get(eventId) ?? 0 }
}

/**
 * "Full conflicted set": the conflicted events, the auth difference and, in version 12, the conflicted subgraph.
 * `differing` holds for each state its conflicted events. Works on ids of any kind.
 */
export function* fullConflictedSet<Id>(
  rules: RoomVersionRules,
  conflicts: { readonly unconflicted: ReadonlyMap<string, Id>; readonly conflicted: ReadonlySet<Id> },
  differing: readonly Iterable<Id>[],
  graph: AuthGraph<Id>,
  steps: Steps,
): Slices<Set<Id>> {
  const full = yield* authDifference(differing, conflicts.unconflicted.values(), graph, steps)
  for (const id of conflicts.conflicted) full.add(id)
  if (rules.stateResolution === 'v2.1') {
    for (const id of yield* conflictedSubgraph(conflicts.conflicted, graph, steps)) full.add(id)
  }
  return full
}

/**
 * Steps 1 to 5 of the algorithm, once the full conflicted set is known. `events` must hold that set, its auth events,
 * the power levels events that lie behind each of them, and what `unconflicted` has for the events' auth keys.
 */
export function* resolveConflicted(
  rules: RoomVersionRules,
  unconflicted: Conflicts['unconflicted'],
  fullConflicted: ReadonlySet<EventId>,
  events: EventSource,
  isRejected: (eventId: EventId) => boolean,
  steps: Steps,
): Slices<StateMap> {
  const powerIds = yield* powerEventsAndChains(fullConflicted, events, steps)
  const powerEvents = yield* reverseTopologicalPowerOrder(powerIds, events, steps)
  const base: StateMap = rules.stateResolution === 'v2.1' ? new Map() : unconflicted
  const partial = yield* iterativeAuthChecks(base, powerEvents, events, isRejected, steps)
  const levelsId = partial.get(stateMapKey('m.room.power_levels', ''))
  const levels = levelsId === undefined ? undefined : events.get(levelsId)
  const remaining = [...fullConflicted].filter((eventId) => !powerIds.has(eventId))
  const ordered = yield* mainlineOrder(remaining, levels, events, steps)
  const resolved = yield* iterativeAuthChecks(partial, ordered, events, isRejected, steps)
  for (const [key, eventId] of unconflicted) {
    resolved.set(key, eventId)
    if (steps.take()) yield
  }
  return resolved
}
