import { sha256, sha256Base64 } from '#core/crypto.ts'
import type { Event } from '#core/event/event.ts'
import { type EventReference, eventIdOfHash } from '#core/event/hash.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { redactedContent, survivesRedaction } from '#core/event/redact.ts'
import type { Signer } from '#core/event/sign.ts'
import { type EventId, fitsIdLimit, type RoomId, type UserId } from '#core/ids.ts'
import { canonicalJson, canonicalKeys, checkStrictNumbers } from '#core/json/canonical.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { invalidParam, tooLarge } from '#core/matrix-error.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** Some servers take "not larger than 65536 bytes" as less than; so do we with what we make, but not with what we get. */
export const OWN_EVENT_BYTES_MAX = 65_535

/** An event that is to be made, in the specification's names. */
export type EventTemplate = {
  readonly type: string
  /** Absent for events that aren't state. */
  readonly state_key?: string
  readonly sender: UserId
  readonly content: JsonObject
  /** Absent for the create event of a room of version 12. */
  readonly room_id?: RoomId
  readonly prev_events: readonly EventReference[]
  readonly auth_events: readonly EventReference[]
  readonly depth: number
  readonly origin_server_ts: number
  /** The event that a redaction redacts: put where the room version wants it. */
  readonly redacts?: EventId
}

/**
 * Makes an event of ours: hashed, signed and named. `newLocalpart` gives the random part of the event id, asked for
 * only in room versions 1 and 2.
 *
 * Throws M_BAD_JSON for numbers that canonical JSON forbids (in all room versions: what others tolerate, we don't make),
 * M_TOO_LARGE for an event or field over its limit.
 */
export function buildEvent(
  template: EventTemplate,
  rules: RoomVersionRules,
  signer: Signer,
  newLocalpart: () => string,
): Event {
  const unhashed = eventJson(template, rules, signer, newLocalpart)
  checkFields(template)
  checkStrictNumbers(unhashed)
  // Each member is made canonical once; content hash, signed text and size are put together from them.
  const texts = new Map<string, string>()
  for (const key of canonicalKeys(unhashed)) texts.set(key, canonicalJson(unhashed[key] as JsonValue))
  const hashes = { sha256: sha256Base64(joinMembers(texts)) }

  const essential = new Map([...texts].filter(([key]) => survivesRedaction(key, rules)))
  essential.set('hashes', canonicalJson(hashes))
  essential.set('content', contentText(unhashed, rules, texts))
  const essentialText = joinMembers(essential)

  const json = { ...unhashed, hashes, signatures: { [signer.name]: { [signer.keyId]: signer.sign(essentialText) } } }
  texts.set('hashes', canonicalJson(hashes))
  texts.set('signatures', canonicalJson(json.signatures))
  if (Buffer.byteLength(joinMembers(texts)) > OWN_EVENT_BYTES_MAX) throw tooLarge('The event is too large')

  const eventId =
    rules.eventIdFormat === 'chosen' ? (unhashed.event_id as EventId) : eventIdOfHash(sha256(essentialText), rules)
  return viewEvent(json, rules, eventId)
}

function eventJson(
  template: EventTemplate,
  rules: RoomVersionRules,
  signer: Signer,
  newLocalpart: () => string,
): JsonObject {
  const { redacts, content, ...rest } = template
  return {
    ...(rest as JsonObject),
    ...(rules.eventIdFormat === 'chosen' ? { event_id: `$${newLocalpart()}:${signer.name}` } : {}),
    ...(redacts !== undefined && !rules.redactsInContent ? { redacts } : {}),
    content: redacts !== undefined && rules.redactsInContent ? { ...content, redacts } : content,
  }
}

function checkFields(template: EventTemplate): void {
  const { type, state_key: stateKey = '', sender, room_id: roomId = '' } = template
  for (const [name, value] of Object.entries({ type, state_key: stateKey, sender, room_id: roomId })) {
    if (!fitsIdLimit(value)) throw tooLarge(`${name} is longer than 255 bytes`)
    if (value.includes('\0')) throw invalidParam(`${name} holds a NUL`)
  }
}

/** The canonical text of the redacted content; that of the content itself where nothing is taken away. */
function contentText(json: JsonObject, rules: RoomVersionRules, texts: ReadonlyMap<string, string>): string {
  const kept = redactedContent(json, rules)
  return kept === json.content ? (texts.get('content') as string) : canonicalJson(kept)
}

/** The canonical JSON of an object from that of its members. Top-level keys of events are ASCII. */
function joinMembers(texts: ReadonlyMap<string, string>): string {
  const keys = [...texts.keys()].sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${texts.get(key)}`).join(',')}}`
}
