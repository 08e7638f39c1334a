import { decodeBase64, encodeBase64, encodeBase64Url, sha256 } from '#core/crypto.ts'
import type { Event } from '#core/event/event.ts'
import { redactJson } from '#core/event/redact.ts'
import type { EventId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** How `prev_events` and `auth_events` cite an event: by its id, in room versions 1 and 2 with its reference hash. */
export type EventReference = EventId | readonly [EventId, { readonly sha256?: string }]

/** The hash over the whole event as sent (server-server API, "Calculating the content hash"), in bytes. */
export function contentHash(json: JsonObject): Uint8Array {
  return sha256(canonicalJson(without(json, ['unsigned', 'signatures', 'hashes'])))
}

/** Whether the event is whole: false says that it was redacted, or changed, on its way here. */
export function hasValidContentHash(json: JsonObject): boolean {
  const hashes = member(json, 'hashes')
  const claimed = isJsonObject(hashes) ? member(hashes, 'sha256') : undefined
  const bytes = typeof claimed === 'string' ? decodeBase64(claimed) : null
  return bytes !== null && Buffer.compare(bytes, contentHash(json)) === 0
}

/**
 * The text of an event that is signed, and whose hash is the reference hash: redacted, canonical, without signatures.
 * `unsigned` goes with the redaction.
 */
export function essentialText(json: JsonObject, rules: RoomVersionRules): string {
  return canonicalJson(without(redactJson(json, rules), ['signatures']))
}

/** The hash over what a redaction can't take away ("Calculating the reference hash for an event"), as bytes. */
export function referenceHash(json: JsonObject, rules: RoomVersionRules): Uint8Array {
  return sha256(essentialText(json, rules))
}

/**
 * The id of an event: its own in room versions 1 and 2, then made of its reference hash. Wants an event that was
 * parsed; see `parseEvent`.
 */
export function eventIdOf(json: JsonObject, rules: RoomVersionRules): EventId {
  return rules.eventIdFormat === 'chosen'
    ? (member(json, 'event_id') as EventId)
    : eventIdOfHash(referenceHash(json, rules), rules)
}

/** The event id that a reference hash makes, in room versions where it does. */
export function eventIdOfHash(hash: Uint8Array, rules: RoomVersionRules): EventId {
  return `$${rules.eventIdFormat === 'base64' ? encodeBase64(hash) : encodeBase64Url(hash)}` as EventId
}

/** How a newer event in the same room cites this one. */
export function referenceTo(event: Event): EventReference {
  if (event.rules.eventReferences === 'ids') return event.eventId
  return [event.eventId, { sha256: encodeBase64(referenceHash(event.json, event.rules)) }]
}

/** A copy of an object without some of its members. */
export function without(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)))
}
