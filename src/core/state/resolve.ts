import type { StateMap } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { areEqual } from './conflicts.ts'
import type { EventSource } from './event-source.ts'
import { resolveV1 } from './resolve-v1.ts'
import { resolveV2 } from './resolve-v2.ts'
import { type Slices, Steps } from './steps.ts'

export type ResolveOptions = {
  /**
   * Events that failed the checks against their own auth events. None by default. Version 1 takes what the states hold.
   */
  readonly isRejected?: (eventId: EventId) => boolean
  /** Counts the steps and sets how many are taken between two yields. */
  readonly steps?: Steps
}

/**
 * The resolution of a set of states ("State resolution" of the room version). `events` holds the states' events and
 * their whole auth chains (`gatherAuthChains`); version 1 needs only the states' events. States that are equal are
 * returned as they are. Neither the order of the states nor that of their entries matters.
 */
export function* resolve(
  rules: RoomVersionRules,
  states: readonly StateMap[],
  events: EventSource,
  options: ResolveOptions = {},
): Slices<StateMap> {
  const steps = options.steps ?? new Steps()
  if (areEqual(states)) return states[0] ?? new Map()
  if (rules.stateResolution === 'v1') return yield* resolveV1(states, events, steps)
  return yield* resolveV2(rules, states, events, options.isRejected ?? (() => false), steps)
}
