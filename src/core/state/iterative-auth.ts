import { contentField } from '#core/auth/content-field.ts'
import { checkStateDependent } from '#core/auth/state-dependent.ts'
import { type Event, type StateMap, stateMapKey } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import { isJsonObject } from '#core/json/value.ts'
import { authEventFor, type EventSource } from './event-source.ts'
import type { Slices, Steps } from './steps.ts'

/**
 * "Iterative auth checks": applies the events in order to a copy of `base`, those alone that the authorisation rules
 * allow in the state reached so far. "If a (event_type, state_key) key that is required … is not present in the state,
 * then the appropriate state event from the event's auth_events is used if the auth event is not rejected."
 *
 * `isRejected` speaks of events that failed the checks against their own auth events: they never enter the state.
 */
export function* iterativeAuthChecks(
  base: StateMap,
  ordered: readonly Event[],
  events: EventSource,
  isRejected: (eventId: EventId) => boolean,
  steps: Steps,
): Slices<Map<string, EventId>> {
  const state = new Map(base)
  const accepted = (event: Event | undefined) => (event !== undefined && !isRejected(event.eventId) ? event : undefined)
  for (const event of ordered) {
    if (steps.take(1 + levelCount(event))) yield
    if (event.stateKey === null || isRejected(event.eventId)) continue
    const lookup = (type: string, stateKey: string) => {
      const eventId = state.get(stateMapKey(type, stateKey))
      const present = eventId === undefined ? undefined : accepted(events.get(eventId))
      return present ?? accepted(authEventFor(event, type, stateKey, events))
    }
    if (checkStateDependent(event, lookup).ok) state.set(stateMapKey(event.type, event.stateKey), event.eventId)
  }
  return state
}

/** How many users' levels an event sets: checking a power levels event takes time for each. */
function levelCount(event: Event): number {
  const users = event.type === 'm.room.power_levels' ? contentField(event, 'users') : undefined
  return isJsonObject(users) ? Object.keys(users).length : 0
}
