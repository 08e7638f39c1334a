import { authEventKeys } from '#core/event/auth-events.ts'
import { type Event, stateMapKey } from '#core/event/event.ts'
import { createEventIdOf, domainOf, type EventId, isUserId, type ServerName, serverOf } from '#core/ids.ts'
import { isJsonObject, type JsonValue } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { type AuthResult, allow, reject } from './auth-result.ts'
import { contentField } from './content-field.ts'
import { type RuleNumbers, ruleNumbers } from './rule-numbers.ts'

/** What the rules that don't look at the room's state need besides the event. */
export type AuthContext = {
  /** The events that `auth_events` lists, all of them: fetching a missing one is for the caller to do first. */
  readonly authEvents: readonly Event[]
  /** From version 12: the event that the room id names (`createEventIdOf`); undefined where it can't be had. */
  readonly create?: Event | undefined
  /** Whether one of these events was rejected. */
  readonly isRejected: (eventId: EventId) => boolean
  /** Whether a server signed the event, validly. Asked for `join_authorised_via_users_server` alone. */
  readonly isSignedBy: (server: ServerName) => boolean
}

/**
 * The rules that depend on the event and its `auth_events` alone: they hold for good, whatever the room's state is.
 * An event that breaks one must never enter a room. Create events are decided here.
 */
export function checkStateIndependent(event: Event, context: AuthContext): AuthResult {
  const numbers = ruleNumbers(event.rules)
  if (event.type === 'm.room.create') return checkCreate(event, numbers.create)
  return (
    checkRoomId(event, context, numbers) ??
    checkAuthEvents(event, context, numbers) ??
    checkAuthorisedVia(event, context, numbers) ??
    allow(numbers.allow)
  )
}

function checkCreate(event: Event, numbers: RuleNumbers['create']): AuthResult {
  const { rules } = event
  if (event.prevEvents.length > 0) return reject(numbers.prevEvents, 'a create event comes first')
  if (rules.roomIdIsCreateHash) {
    if (Object.hasOwn(event.json, 'room_id')) return reject(numbers.roomId, 'a create event has no room_id')
  } else if (domainOf(event.roomId) !== serverOf(event.sender)) {
    return reject(numbers.roomId, "the room id's domain is not the sender's")
  }
  const version = contentField(event, 'room_version')
  if (version !== undefined && !(typeof version === 'string' && ROOM_VERSIONS.has(version))) {
    return reject(numbers.roomVersion, 'unknown room version')
  }
  if (numbers.creator !== null && contentField(event, 'creator') === undefined) {
    return reject(numbers.creator, 'content has no creator')
  }
  if (numbers.additionalCreators !== null && !areUserIds(contentField(event, 'additional_creators'))) {
    return reject(numbers.additionalCreators, 'additional_creators is not a list of user ids')
  }
  return allow(numbers.allow)
}

function areUserIds(value: JsonValue | undefined): boolean {
  if (value === undefined) return true
  return Array.isArray(value) && value.every((item: JsonValue) => typeof item === 'string' && isUserId(item))
}

/** "If the event's `room_id` is not an event ID for an accepted `m.room.create` event …, reject" (version 12). */
function checkRoomId(event: Event, { create, isRejected }: AuthContext, numbers: RuleNumbers): AuthResult | null {
  if (numbers.roomId === null) return null
  const accepted =
    create !== undefined &&
    create.type === 'm.room.create' &&
    create.stateKey === '' &&
    create.eventId === createEventIdOf(event.roomId) &&
    !isRejected(create.eventId)
  return accepted ? null : reject(numbers.roomId, 'the room id names no accepted create event')
}

function checkAuthEvents(event: Event, { authEvents, isRejected }: AuthContext, all: RuleNumbers): AuthResult | null {
  const numbers = all.authEvents
  const subject = isJsonObject(event.content) ? event : { ...event, content: {} }
  const selected = new Set(authEventKeys(subject, event.rules).map(([type, stateKey]) => stateMapKey(type, stateKey)))
  const entries = authEvents.map((entry) => ({
    entry,
    // An event that isn't state has no key, so that it can't be one of the selected.
    key: entry.stateKey === null ? null : stateMapKey(entry.type, entry.stateKey),
  }))
  const keys = entries.map(({ key }) => key).filter((key) => key !== null)
  const ids = new Set(event.authEvents)
  if (ids.size < event.authEvents.length || new Set(keys).size < keys.length) {
    return reject(numbers.duplicate, 'auth_events has two entries for one part of the state')
  }
  if (entries.some(({ key }) => key === null || !selected.has(key))) {
    return reject(numbers.unselected, 'auth_events has an entry that does not belong there')
  }
  if (authEvents.some(({ eventId }) => isRejected(eventId))) {
    return reject(numbers.rejected, 'auth_events has an entry that was rejected')
  }
  if (numbers.noCreate !== null && !keys.includes(stateMapKey('m.room.create', ''))) {
    return reject(numbers.noCreate, 'auth_events has no create event')
  }
  if (authEvents.some(({ roomId }) => roomId !== event.roomId)) {
    return reject(numbers.otherRoom, 'auth_events has an entry from another room')
  }
  return null
}

/** "If the event is not validly signed by the homeserver of the user ID denoted by the key, reject." */
function checkAuthorisedVia(event: Event, { isSignedBy }: AuthContext, numbers: RuleNumbers): AuthResult | null {
  const rule = numbers.member.authorisedVia
  if (rule === null || event.type !== 'm.room.member') return null
  const via = contentField(event, 'join_authorised_via_users_server')
  if (via === undefined) return null
  const signed = typeof via === 'string' && isUserId(via) && isSignedBy(serverOf(via))
  return signed ? null : reject(rule, 'the authorising server did not sign the event')
}
