import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import { authEdges } from './event-source.ts'

/** Yields the ids of events that are needed, takes those that could be had, and returns all of them at the end. */
export type Gathering = Generator<readonly EventId[], Map<EventId, Event>, Iterable<Event>>

/**
 * Names what `resolve` has to be given: the states' events and their whole auth chains, one generation of auth events a
 * round, each event once.
 */
export function* gatherAuthChains(tips: Iterable<EventId>): Gathering {
  const gathered = new Map<EventId, Event>()
  let wanted = new Set(tips)
  const asked = new Set(wanted)
  while (wanted.size > 0) {
    const received = yield [...wanted]
    wanted = new Set()
    for (const event of received) {
      gathered.set(event.eventId, event)
      for (const authId of authEdges(event)) {
        if (asked.has(authId)) continue
        asked.add(authId)
        wanted.add(authId)
      }
    }
  }
  return gathered
}
