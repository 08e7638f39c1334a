import { eventIdOfHash, referenceHash } from '#core/event/hash.ts'
import { PREV_EVENTS_MAX } from '#core/event/parse-event.ts'
import { type EventId, isEventIdOf } from '#core/ids.ts'
import { type JsonArray, type JsonObject, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** What an event's hash proves of it, whether it is an event that may be taken or not. */
export type ProvenCitations = { readonly eventId: EventId; readonly prevEvents: readonly EventId[] }

/**
 * What comes before JSON that claims to be an event, by the hash that its id is made of: whoever has that id from an event
 * that cites it can believe what this one cites, without its signatures, its size or its format being right. null in room
 * versions 1 and 2, where senders choose ids, and for what has no hash.
 */
export function provenCitations(json: JsonObject, rules: RoomVersionRules): ProvenCitations | null {
  if (rules.eventIdFormat === 'chosen') return null
  const references = member(json, 'prev_events')
  if (!Array.isArray(references)) return null
  try {
    const eventId = eventIdOfHash(referenceHash(json, rules), rules)
    const ids = (references as JsonArray).slice(0, PREV_EVENTS_MAX)
    const isId = (id: unknown): id is EventId => typeof id === 'string' && isEventIdOf(id, rules.eventIdFormat)
    return { eventId, prevEvents: ids.filter(isId) }
  } catch (error) {
    if (error instanceof MatrixError) return null
    throw error
  }
}
