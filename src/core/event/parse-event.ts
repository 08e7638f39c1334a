import type { Event } from '#core/event/event.ts'
import { eventIdOf } from '#core/event/hash.ts'
import {
  type EventId,
  fitsIdLimit,
  isDomainRoomId,
  isEventIdOf,
  isHashRoomId,
  isUserId,
  type RoomId,
  roomIdOfCreate,
  type UserId,
} from '#core/ids.ts'
import { canonicalByteLength, checkStrictNumbers } from '#core/json/canonical.ts'
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** "The complete event MUST NOT be larger than 65536 bytes" as canonical JSON, signatures included. */
export const EVENT_BYTES_MAX = 65_536
export const PREV_EVENTS_MAX = 20
export const AUTH_EVENTS_MAX = 10

/** An event, or why it is none in its room version. Malformed events are dropped, not even kept as rejected. */
export type ParsedEvent =
  | { readonly ok: true; readonly event: Event }
  | { readonly ok: false; readonly errcode: 'M_BAD_JSON' | 'M_TOO_LARGE'; readonly reason: string }

/**
 * Checks that JSON from outside, parsed lossless, is an event in the format of a room version (server-server API,
 * "Checks performed on receipt of a PDU", step 1), and reads it. Hashes and signatures aren't checked here.
 *
 * `eventId` spares computing an id that is known.
 */
export function parseEvent(
  json: JsonObject,
  rules: RoomVersionRules,
  known: { readonly eventId?: EventId } = {},
): ParsedEvent {
  try {
    checkFormat(json, rules)
    if (canonicalByteLength(json) > EVENT_BYTES_MAX) throw new MatrixError('M_TOO_LARGE', 'The event is too large')
    if (rules.strictCanonicalJson) checkStrictNumbers(json)
    return { ok: true, event: viewEvent(json, rules, known.eventId ?? eventIdOf(json, rules)) }
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    const errcode = error.errcode === 'M_TOO_LARGE' ? 'M_TOO_LARGE' : 'M_BAD_JSON'
    return { ok: false, errcode, reason: error.message }
  }
}

/** `parseEvent` for callers to whom a malformed event is the whole request's failure: throws the MatrixError. */
export function expectEvent(json: JsonValue, rules: RoomVersionRules): Event {
  if (!isJsonObject(json)) throw new MatrixError('M_BAD_JSON', 'An event is a JSON object')
  const parsed = parseEvent(json, rules)
  if (!parsed.ok) throw new MatrixError(parsed.errcode, parsed.reason)
  return parsed.event
}

/** Reads an event that was checked before, such as one from our own store. */
export function viewEvent(json: JsonObject, rules: RoomVersionRules, eventId: EventId): Event {
  const content = json.content as JsonObject
  const isHashRoomCreate = rules.roomIdIsCreateHash && json.type === 'm.room.create'
  const redacts = rules.redactsInContent ? member(content, 'redacts') : member(json, 'redacts')
  return {
    eventId,
    roomId: isHashRoomCreate ? roomIdOfCreate(eventId) : (json.room_id as RoomId),
    rules,
    type: json.type as string,
    stateKey: (member(json, 'state_key') as string | undefined) ?? null,
    sender: json.sender as UserId,
    content,
    originServerTs: json.origin_server_ts as number,
    depth: json.depth as number,
    prevEvents: citedIds(json.prev_events as JsonArray, rules),
    authEvents: citedIds(json.auth_events as JsonArray, rules),
    redacts: json.type === 'm.room.redaction' && typeof redacts === 'string' ? (redacts as EventId) : null,
    json,
  }
}

function citedIds(references: JsonArray, rules: RoomVersionRules): EventId[] {
  if (rules.eventReferences === 'ids') return references as unknown as EventId[]
  return references.map((pair) => (pair as JsonArray)[0] as EventId)
}

function checkFormat(json: JsonObject, rules: RoomVersionRules): void {
  const type = shortText(json, 'type')
  const stateKey = member(json, 'state_key')
  if (stateKey !== undefined) shortText(json, 'state_key')
  const sender = member(json, 'sender')
  expect(typeof sender === 'string' && isUserId(sender), 'sender is not a user id')
  expect(isJsonObject(member(json, 'content')), 'content is not an object')
  expect(isJsonObject(member(json, 'hashes')), 'hashes is not an object')
  expect(isJsonObject(member(json, 'signatures')), 'signatures is not an object')
  const unsigned = member(json, 'unsigned')
  expect(unsigned === undefined || isJsonObject(unsigned), 'unsigned is not an object')
  expect(Number.isSafeInteger(member(json, 'origin_server_ts')), 'origin_server_ts is not an integer')
  // In all room versions, or the room's next event could not be written.
  const depth = member(json, 'depth')
  expect(Number.isSafeInteger(depth) && (depth as number) >= 0, 'depth is not an integer from 0 to 2^53 − 1')
  if (rules.eventIdFormat === 'chosen') {
    const eventId = member(json, 'event_id')
    expect(typeof eventId === 'string' && isEventIdOf(eventId, 'chosen'), 'event_id is not an event id')
  }
  checkRoomId(member(json, 'room_id'), type, rules)
  checkReferences(json, 'prev_events', PREV_EVENTS_MAX, rules)
  checkReferences(json, 'auth_events', AUTH_EVENTS_MAX, rules)
  if (type === 'm.room.member' && rules.auth.restrictedJoin) checkAuthoriser(json.content as JsonObject)
}

/** A text of at most 255 bytes and without NUL, which separates the two in `stateMapKey`. */
function shortText(json: JsonObject, key: string): string {
  const value = member(json, key)
  expect(typeof value === 'string', `${key} is not a string`)
  if (!fitsIdLimit(value as string)) throw new MatrixError('M_TOO_LARGE', `${key} is longer than 255 bytes`)
  expect(!(value as string).includes('\0'), `${key} holds a NUL`)
  return value as string
}

function checkRoomId(roomId: JsonValue | undefined, type: string, rules: RoomVersionRules): void {
  if (!rules.roomIdIsCreateHash) {
    expect(typeof roomId === 'string' && isDomainRoomId(roomId), 'room_id is not a room id')
  } else if (type === 'm.room.create') {
    // Rule 1.2 of version 12: "If the event has a room_id, reject."
    expect(roomId === undefined, 'a create event has no room_id in this room version')
  } else expect(typeof roomId === 'string' && isHashRoomId(roomId), 'room_id is not a hash')
}

function checkReferences(json: JsonObject, key: string, countMax: number, rules: RoomVersionRules): void {
  const references = member(json, key)
  expect(Array.isArray(references), `${key} is not a list`)
  const list = references as JsonArray
  expect(list.length <= countMax, `${key} has more than ${countMax} entries`)
  for (const reference of list) {
    const id = rules.eventReferences === 'ids' ? reference : idOfPair(reference)
    expect(typeof id === 'string' && isEventIdOf(id, rules.eventIdFormat), `${key} holds what is not an event id`)
  }
}

function idOfPair(reference: JsonValue): JsonValue | undefined {
  const isPair = Array.isArray(reference) && reference.length === 2 && isJsonObject(reference[1] as JsonValue)
  return isPair ? (reference as JsonArray)[0] : undefined
}

/** "If the event is not validly signed by the homeserver of the user ID denoted by the key, reject": no user, no server. */
function checkAuthoriser(content: JsonObject): void {
  const authoriser = member(content, 'join_authorised_via_users_server')
  const isUser = typeof authoriser === 'string' && isUserId(authoriser)
  expect(authoriser === undefined || isUser, 'join_authorised_via_users_server is not a user id')
}

function expect(condition: boolean, reason: string): void {
  if (!condition) throw new MatrixError('M_BAD_JSON', `Malformed event: ${reason}`)
}
