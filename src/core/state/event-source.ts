import type { Event } from '#core/event/event.ts'
import { createEventIdOf, type EventId } from '#core/ids.ts'

/** Where state resolution finds events; a map from event id to event is one. */
export type EventSource = { get(eventId: EventId): Event | undefined }

/** The events that authorise an event, as edges of the auth graph: those listed, and in version 12 the implied create. */
export function authEdges(event: Event): readonly EventId[] {
  if (!event.rules.roomIdIsCreateHash || event.type === 'm.room.create') return event.authEvents
  return [...event.authEvents, createEventIdOf(event.roomId)]
}

/** The auth event of an event that holds one part of the state; undefined where there is none, or it isn't known. */
export function authEventFor(event: Event, type: string, stateKey: string, events: EventSource): Event | undefined {
  for (const eventId of authEdges(event)) {
    const candidate = events.get(eventId)
    if (candidate?.type === type && candidate.stateKey === stateKey) return candidate
  }
  return undefined
}
