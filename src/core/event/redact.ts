import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** Top-level keys that a redaction leaves in every room version (client-server API, "Redactions"). */
const KEPT_ALWAYS: readonly string[] = [
  'event_id',
  'type',
  'room_id',
  'sender',
  'state_key',
  'content',
  'hashes',
  'signatures',
  'depth',
  'prev_events',
  'auth_events',
  'origin_server_ts',
]

/** Whether a redaction leaves a top-level key in place. */
export function survivesRedaction(key: string, rules: RoomVersionRules): boolean {
  return KEPT_ALWAYS.includes(key) || rules.redaction.topLevelKept.includes(key)
}

/**
 * An event without what a redaction takes away: the form that is hashed and signed, and what is left of a redacted
 * event. The event given is not changed.
 */
export function redactJson(json: JsonObject, rules: RoomVersionRules): JsonObject {
  const kept = Object.entries(json).filter(([key]) => survivesRedaction(key, rules))
  return Object.fromEntries(kept.map(([key, value]) => [key, key === 'content' ? redactedContent(json, rules) : value]))
}

/** What a redaction leaves of an event's content; the content itself if that is everything. */
export function redactedContent(json: JsonObject, rules: RoomVersionRules): JsonObject {
  const content = member(json, 'content')
  if (!isJsonObject(content)) return {}
  const type = member(json, 'type')
  const kept = contentKept(type, rules)
  if (kept === true) return content
  const members: [string, JsonValue][] = []
  for (const key of kept) {
    const value = member(content, key)
    if (value !== undefined) members.push([key, value])
  }
  if (type === 'm.room.member' && rules.redaction.memberKeepsThirdPartySigned) {
    const invite = member(content, 'third_party_invite')
    // "It allows the `signed` key of the `third_party_invite` key": what else an object holds goes, the object stays.
    if (isJsonObject(invite)) members.push(['third_party_invite', pick(invite, 'signed')])
  }
  return Object.fromEntries(members)
}

function contentKept(type: JsonValue | undefined, rules: RoomVersionRules): readonly string[] | true {
  const { contentKept } = rules.redaction
  if (typeof type !== 'string' || !Object.hasOwn(contentKept, type)) return []
  return contentKept[type] ?? []
}

function pick(object: JsonObject, key: string): JsonObject {
  const value = member(object, key)
  return value === undefined ? {} : { [key]: value }
}
