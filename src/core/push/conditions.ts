import { globMatches } from '#core/glob.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { type PropertyRef, type PushEvent, propertyRef } from '#core/push/push-event.ts'
import { isScalar } from '#core/push/push-rule.ts'
import { hasWord, hasWordMatch } from '#core/push/word-search.ts'

/** For whom rules are evaluated. */
export type PushUser = {
  readonly userId: string
  /** The user's display name in the room; null without one. */
  readonly displayName: string | null
}

/** A condition made ready: whether it holds. */
export type Condition = (event: PushEvent, user: PushUser) => boolean

/** "Unrecognised conditions MUST NOT match any events", and neither do malformed ones. */
const never: Condition = () => false

/**
 * Makes a condition ready for many evaluations.
 *
 * @param ownId The user id that predefined rules name. In those the reader's own id is asked for instead, exactly, so
 *   that one compiled set serves every user; null for rules that users wrote.
 */
export function compileCondition(condition: JsonObject, ownId: string | null): Condition {
  switch (member(condition, 'kind')) {
    case 'event_match':
      return eventMatch(member(condition, 'key'), member(condition, 'pattern'), ownId)
    case 'event_property_is':
      return eventPropertyIs(member(condition, 'key'), member(condition, 'value'))
    case 'event_property_contains':
      return eventPropertyContains(member(condition, 'key'), member(condition, 'value'), ownId)
    case 'contains_display_name':
      return containsDisplayName
    case 'room_member_count':
      return roomMemberCount(member(condition, 'is'))
    case 'sender_notification_permission':
      return senderNotificationPermission(member(condition, 'key'))
    default:
      return never
  }
}

/** The condition of content rules: the pattern occurs in `content.body` between word boundaries, in any case. */
export function bodyMatch(pattern: string): Condition {
  const lowered = pattern.toLowerCase()
  return (event) => {
    const text = event.searchedBody
    return text !== null && event.affords(stepsMax(text, lowered)) && hasWordMatch(text, lowered)
  }
}

function eventMatch(key: JsonValue | undefined, pattern: JsonValue | undefined, ownId: string | null): Condition {
  if (typeof key !== 'string' || typeof pattern !== 'string') return never
  const property = propertyRef(key)
  if (isBody(property)) return bodyMatch(pattern)
  if (pattern === ownId) return (event, user) => event.value(property) === user.userId
  return /[*?]/.test(pattern) ? globMatch(property, pattern.toLowerCase()) : literalMatch(property, pattern)
}

function isBody(property: PropertyRef): boolean {
  return property.names.length === 2 && property.names[0] === 'content' && property.names[1] === 'body'
}

function literalMatch(property: PropertyRef, pattern: string): Condition {
  const lowered = pattern.toLowerCase()
  return (event) => event.value(property) === pattern || event.loweredText(property) === lowered
}

function globMatch(property: PropertyRef, lowered: string): Condition {
  return (event) => {
    const text = event.loweredText(property)
    return text !== null && event.affords(stepsMax(text, lowered)) && globMatches(lowered, text)
  }
}

function eventPropertyIs(key: JsonValue | undefined, wanted: JsonValue | undefined): Condition {
  if (typeof key !== 'string' || !isScalar(wanted)) return never
  const property = propertyRef(key)
  return (event) => event.value(property) === wanted
}

function eventPropertyContains(
  key: JsonValue | undefined,
  wanted: JsonValue | undefined,
  ownId: string | null,
): Condition {
  if (typeof key !== 'string' || !isScalar(wanted)) return never
  const property = propertyRef(key)
  const isOwn = ownId !== null && wanted === ownId
  return (event, user) => {
    const value = event.value(property)
    return Array.isArray(value) && event.affords(value.length) && value.includes(isOwn ? user.userId : wanted)
  }
}

/** The most that looking for a pattern in a text can cost. */
function stepsMax(text: string, pattern: string): number {
  return text.length * (pattern.length + 1)
}

const containsDisplayName: Condition = (event, user) => {
  if (user.displayName === null || user.displayName === '') return false
  const text = event.searchedBody
  if (text === null || !event.affords(stepsMax(text, user.displayName))) return false
  return hasWord(text, user.displayName.toLowerCase())
}

/** "A decimal integer optionally prefixed by one of, ==, <, >, >= or <=." */
function roomMemberCount(is: JsonValue | undefined): Condition {
  const parsed = typeof is === 'string' ? /^(==|<=|>=|<|>)?([0-9]{1,15})$/.exec(is) : null
  if (parsed === null) return never
  const wanted = Number(parsed[2])
  switch (parsed[1]) {
    case '<':
      return (event) => event.room.memberCount < wanted
    case '>':
      return (event) => event.room.memberCount > wanted
    case '<=':
      return (event) => event.room.memberCount <= wanted
    case '>=':
      return (event) => event.room.memberCount >= wanted
    default:
      return (event) => event.room.memberCount === wanted
  }
}

function senderNotificationPermission(key: JsonValue | undefined): Condition {
  if (typeof key !== 'string') return never
  return (event) => event.room.senderLevel >= event.room.notificationLevel(key)
}
