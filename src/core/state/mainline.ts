import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import { compareCodePoints } from '#core/json/canonical.ts'
import { authEventFor, type EventSource } from './event-source.ts'
import type { Slices, Steps } from './steps.ts'

/**
 * "Mainline ordering based on P": events whose power levels stand earlier in the history of `powerLevels` come first,
 * then the earlier `origin_server_ts`, then the lesser event id. Ids without an event are left out.
 */
export function* mainlineOrder(
  eventIds: Iterable<EventId>,
  powerLevels: Event | undefined,
  events: EventSource,
  steps: Steps,
): Slices<Event[]> {
  const positions = new Map<EventId, number>()
  for (let onMainline = powerLevels; onMainline !== undefined && !positions.has(onMainline.eventId); ) {
    positions.set(onMainline.eventId, positions.size)
    onMainline = powerLevelsOf(onMainline, events)
    if (steps.take()) yield
  }
  const placed: { readonly event: Event; readonly position: number }[] = []
  for (const eventId of eventIds) {
    const event = events.get(eventId)
    if (event === undefined) continue
    placed.push({ event, position: yield* mainlinePosition(event, positions, events, steps) })
    if (steps.take()) yield
  }
  placed.sort((x, y) => {
    if (x.position !== y.position) return x.position > y.position ? -1 : 1
    return x.event.originServerTs - y.event.originServerTs || compareCodePoints(x.event.eventId, y.event.eventId)
  })
  return placed.map(({ event }) => event)
}

/** Infinity where no power levels event in the event's history is on the mainline. Notes what it learns in `known`. */
function* mainlinePosition(
  event: Event,
  known: Map<EventId, number>,
  events: EventSource,
  steps: Steps,
): Slices<number> {
  const passed: EventId[] = []
  let position = Number.POSITIVE_INFINITY
  for (let levels = powerLevelsOf(event, events); levels !== undefined; levels = powerLevelsOf(levels, events)) {
    const found = known.get(levels.eventId)
    if (found !== undefined) {
      position = found
      break
    }
    // Until the end is found it counts as off the mainline, which also ends a cycle.
    known.set(levels.eventId, position)
    passed.push(levels.eventId)
    if (steps.take()) yield
  }
  for (const eventId of passed) known.set(eventId, position)
  return position
}

function powerLevelsOf(event: Event, events: EventSource): Event | undefined {
  return authEventFor(event, 'm.room.power_levels', '', events)
}
