import type { Event } from '#core/event/event.ts'
import { type EventId, fitsIdLimit, isEventId } from '#core/ids.ts'
import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'

export type Relation = { readonly relType: string; readonly parentId: EventId }

export const THREAD = 'm.thread'

/**
 * What an event relates to (client-server API, "Forming relationships between events"). null for none, and for what no
 * index can hold: nothing that is too long for an identifier, or no text for a database, names a relation.
 */
export function relationOf(event: Event): Relation | null {
  const relatesTo = member(event.content, 'm.relates_to')
  if (!isJsonObject(relatesTo)) return null
  const relType = member(relatesTo, 'rel_type')
  const parentId = member(relatesTo, 'event_id')
  if (!isIndexable(relType) || !isIndexable(parentId) || !isEventId(parentId)) return null
  return { relType, parentId }
}

/** The event that a redaction names; null where no index can hold that. */
export function redactedIdOf({ redacts }: Event): EventId | null {
  return redacts !== null && isIndexable(redacts) && isEventId(redacts) ? redacts : null
}

function isIndexable(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && fitsIdLimit(value) && !value.includes('\0') && value.isWellFormed()
}
