import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { Cited } from '#store/sql/citations.ts'
import type { EventNid, NewEvent } from '#store/types/events.ts'

/** What an event cites, as far as it is stored. */
export type References = {
  readonly prev: readonly EventNid[]
  readonly auth: readonly EventNid[]
  readonly generation: number
  /** The previous events that have no place in the timeline. */
  readonly gaps: readonly EventId[]
}

/**
 * Resolves what a timeline event cites. What came live and was rejected leads nobody to what lies before it; what lies
 * before a soft-failed event is as good as any, once others cite that. History goes on behind what is hidden in it.
 */
export function timelineReferences(
  event: Event,
  verdict: NewEvent['verdict'],
  cited: ReadonlyMap<EventId, Cited>,
  isHistory = false,
): References {
  const lacking = lackingAuth(event, cited)
  if (verdict !== 'rejected' && lacking !== undefined) {
    throw new Error(`${event.eventId} has the auth event ${lacking}, which is not stored`)
  }
  const gaps =
    isHistory || verdict !== 'rejected' ? event.prevEvents.filter((id) => cited.get(id)?.isOutlier ?? true) : []
  return { ...outlierReferences(event, cited), gaps: [...new Set(gaps)].filter((id) => id !== event.eventId) }
}

/** Resolves what an event cites that takes no place in the timeline. */
export function outlierReferences(event: Event, cited: ReadonlyMap<EventId, Cited>): Omit<References, 'gaps'> {
  const auth = known(event, event.authEvents, cited)
  return {
    prev: known(event, event.prevEvents, cited).map(({ nid }) => nid),
    auth: auth.map(({ nid }) => nid),
    generation: generationOf(event, auth),
  }
}

/** In room versions 1 and 2, where senders choose event ids, an event may cite itself. */
function known(event: Event, ids: readonly EventId[], cited: ReadonlyMap<EventId, Cited>): Cited[] {
  return ids.filter((id) => id !== event.eventId).flatMap((id) => cited.get(id) ?? [])
}

function lackingAuth(event: Event, cited: ReadonlyMap<EventId, Cited>): EventId | undefined {
  return event.authEvents.find((id) => !cited.has(id) || id === event.eventId)
}

/** 1 + the greatest of the auth events'; a create event, which in some room versions isn't listed, has 0. */
function generationOf(event: Event, auth: readonly Cited[]): number {
  if (event.type === 'm.room.create' && event.stateKey === '') return 0
  return 1 + Math.max(0, ...auth.map(({ generation }) => generation))
}
