import type { Event } from '#core/event/event.ts'
import { isUserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { type AuthResult, allow, reject } from './auth-result.ts'
import { contentField } from './content-field.ts'
import { isPrivilegedCreator, LEVEL_NAMES, parseLevel } from './power-levels.ts'
import type { RoomView } from './room-view.ts'
import type { PowerLevelRuleNumbers } from './rule-numbers.ts'

/** The rules for `m.room.power_levels`: what it may hold, and which changes the sender's own level covers. */
export function checkPowerLevels(event: Event, room: RoomView, numbers: PowerLevelRuleNumbers): AuthResult {
  const malformed = checkShape(event, room, numbers)
  if (malformed !== null) return malformed
  const previous = room.powerLevelsEvent()
  if (previous === undefined) return allow(numbers.first)
  const change: Change = { event, previous, senderLevel: room.levels.userLevel(event.sender) }
  return (
    checkProperties(change, numbers) ??
    checkEntries(change, numbers) ??
    checkUsers(change, numbers) ??
    allow(numbers.allow)
  )
}

type Change = { readonly event: Event; readonly previous: Event; readonly senderLevel: number }

function checkShape(event: Event, room: RoomView, numbers: PowerLevelRuleNumbers): AuthResult | null {
  if (numbers.integers !== null) {
    for (const name of LEVEL_NAMES) {
      const value = contentField(event, name)
      if (value !== undefined && parseLevel(value, event.rules) === undefined) {
        return reject(numbers.integers, `${name} is not an integer`)
      }
    }
  }
  if (numbers.integerMaps !== null) {
    for (const name of ['events', 'notifications']) {
      if (!isAbsentOrLevels(contentField(event, name), event)) {
        return reject(numbers.integerMaps, `${name} is not an object of integers`)
      }
    }
  }
  const users = contentField(event, 'users')
  if (!isAbsentOrLevels(users, event) || !Object.keys(users ?? {}).every(isUserId)) {
    return reject(numbers.users, 'users is not an object of user ids and levels')
  }
  if (
    numbers.creators !== null &&
    Object.keys(users ?? {}).some((userId) => isPrivilegedCreator(room.create, userId))
  ) {
    return reject(numbers.creators, 'users names a creator of the room')
  }
  return checkRange(event, numbers)
}

/**
 * "Values outside the range represented by IEEE 754 binary64 cause the power level event to be rejected" (versions 1–9).
 * The text gives this no number; it belongs to what the rule on `users` says of values.
 */
function checkRange(event: Event, numbers: PowerLevelRuleNumbers): AuthResult | null {
  if (numbers.integers !== null) return null
  const values = LEVEL_NAMES.map((name) => contentField(event, name))
  for (const name of ['events', 'notifications']) {
    const map = contentField(event, name)
    if (isJsonObject(map)) values.push(...Object.values(map))
  }
  return values.some(isOutOfRange) ? reject(numbers.users, 'a level is out of range') : null
}

function isOutOfRange(value: JsonValue | undefined): boolean {
  return JSON.isRawJSON(value) && !Number.isFinite(Number(value.rawJSON))
}

/** NOTSPEC: the rule on `users` reads as if it had to be there; every server lets an event without it pass. */
function isAbsentOrLevels(value: JsonValue | undefined, event: Event): boolean {
  if (value === undefined) return true
  return isJsonObject(value) && Object.values(value).every((level) => parseLevel(level, event.rules) !== undefined)
}

function checkProperties({ event, previous, senderLevel }: Change, numbers: PowerLevelRuleNumbers): AuthResult | null {
  for (const name of LEVEL_NAMES) {
    const before = parseLevel(contentField(previous, name), event.rules)
    const after = parseLevel(contentField(event, name), event.rules)
    if (before === after) continue
    if (before !== undefined && before > senderLevel) {
      return reject(`${numbers.properties}.1`, `${name} stands above the sender's power level`)
    }
    if (after !== undefined && after > senderLevel) {
      return reject(`${numbers.properties}.2`, `${name} would stand above the sender's power level`)
    }
  }
  return null
}

function checkEntries(change: Change, numbers: PowerLevelRuleNumbers): AuthResult | null {
  const { event, senderLevel } = change
  const maps = event.rules.auth.checksNotificationLevels ? ['events', 'notifications'] : ['events']
  const altered = maps.flatMap((map) => alteredEntries(change, map))
  for (const { key, before } of altered) {
    if (before !== undefined && before > senderLevel) {
      return reject(numbers.entriesRemoved, `the level for ${key} stands above the sender's`)
    }
  }
  for (const { key, after } of altered) {
    if (after !== undefined && after > senderLevel) {
      return reject(numbers.entriesAdded, `the level for ${key} would stand above the sender's`)
    }
  }
  return null
}

function checkUsers(change: Change, numbers: PowerLevelRuleNumbers): AuthResult | null {
  const { event, senderLevel } = change
  const altered = alteredEntries(change, 'users')
  for (const { key, before } of altered) {
    if (key !== event.sender && before !== undefined && before >= senderLevel) {
      return reject(numbers.usersRemoved, `${key} stands no lower than the sender`)
    }
  }
  for (const { key, after } of altered) {
    if (after !== undefined && after > senderLevel) {
      return reject(numbers.usersAdded, `${key} would stand above the sender`)
    }
  }
  return null
}

type Alteration = { readonly key: string; readonly before: number | undefined; readonly after: number | undefined }

/** The entries of one map that were added, changed or removed. Equal levels in different notation are no change. */
function alteredEntries({ event, previous }: Change, map: string): Alteration[] {
  const before = objectField(previous, map)
  const after = objectField(event, map)
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  const altered: Alteration[] = []
  for (const key of keys) {
    const old = parseLevel(member(before, key), event.rules)
    const made = parseLevel(member(after, key), event.rules)
    if (old !== made) altered.push({ key, before: old, after: made })
  }
  return altered
}

function objectField(event: Event, key: string): JsonObject {
  const value = contentField(event, key)
  return isJsonObject(value) ? value : {}
}
