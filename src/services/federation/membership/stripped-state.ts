/** What a server tells of a room to those who are outside of it ("Stripped state"). */
import type { Event } from '#core/event/event.ts'
import { EVENT_BYTES_MAX, parseEvent } from '#core/event/parse-event.ts'
import { fitsIdLimit, isUserId, type RoomId } from '#core/ids.ts'
import { canonicalByteLength } from '#core/json/canonical.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { invalidParam } from '#core/matrix-error.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** Entries of `invite_room_state` and `knock_room_state` that are taken. */
export const STRIPPED_ENTRIES_MAX = 100

/** One entry: what clients see of it, and the whole event where the other server sent that. */
export type StrippedEntry = { readonly stripped: JsonObject; readonly event: Event | null }

/**
 * Reads `invite_room_state` or `knock_room_state`. Signatures aren't checked.
 *
 * Where the room id is the hash of the create event, the list must hold that event, which proves that the room is what
 * it is said to be, and whole events alone. In older versions, whose servers know stripped entries only, what can't be
 * used is left out.
 *
 * @throws M_INVALID_PARAM
 */
export function readStrippedState(
  value: JsonValue | undefined,
  roomId: RoomId,
  rules: RoomVersionRules,
): StrippedEntry[] {
  const list = value === undefined && !rules.roomIdIsCreateHash ? [] : value
  if (!Array.isArray(list)) throw invalidParam('The stripped state is not a list')
  if (list.length > STRIPPED_ENTRIES_MAX) {
    throw invalidParam(`The stripped state has more than ${STRIPPED_ENTRIES_MAX} entries`)
  }
  const entries = (list as readonly JsonValue[]).map((entry) => readEntry(entry, roomId, rules))
  if (rules.roomIdIsCreateHash) {
    if (entries.includes(null)) throw invalidParam('An entry of the stripped state is no event of the room')
    // Its room id was computed of it, so it is the one that the room is named after.
    const proven = entries.some((entry) => entry?.event?.type === 'm.room.create' && entry.event.stateKey === '')
    if (!proven) throw invalidParam('The stripped state lacks the create event of the room')
  }
  return entries.filter((entry) => entry !== null)
}

function readEntry(json: JsonValue, roomId: RoomId, rules: RoomVersionRules): StrippedEntry | null {
  if (!isJsonObject(json)) return null
  const parsed = parseEvent(json, rules)
  if (parsed.ok) {
    const { event } = parsed
    if (event.stateKey === null || event.roomId !== roomId) return null
    return { stripped: stripped(event.type, event.stateKey, event.sender, event.content), event }
  }
  return rules.roomIdIsCreateHash ? null : readStripped(json)
}

/** An entry as servers sent it before events were sent whole. */
function readStripped(json: JsonObject): StrippedEntry | null {
  const [type, stateKey, sender, content] = ['type', 'state_key', 'sender', 'content'].map((key) => member(json, key))
  if (!isName(type) || !isName(stateKey) || !isJsonObject(content)) return null
  if (typeof sender !== 'string' || !isUserId(sender)) return null
  const entry = stripped(type, stateKey, sender, content)
  return canonicalByteLength(entry) > EVENT_BYTES_MAX ? null : { stripped: entry, event: null }
}

function isName(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && fitsIdLimit(value) && value.isWellFormed() && !value.includes('\0')
}

function stripped(type: string, stateKey: string, sender: string, content: JsonObject): JsonObject {
  return { type, state_key: stateKey, sender, content }
}
