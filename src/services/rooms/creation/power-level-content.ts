import { LEVEL_NAMES } from '#core/auth/power-levels.ts'
import { isUserId, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson } from '#core/matrix-error.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** Above every level that `m.room.power_levels` gives by default, so that only creators tombstone a room (version 12). */
const CREATORS_ONLY_LEVEL = 150

/** The `m.room.power_levels` of a new room. `equals` are users with the creator's own level. */
export function defaultPowerLevels(
  rules: RoomVersionRules,
  creator: UserId,
  equals: readonly UserId[],
): Record<string, JsonValue> {
  // From version 12 on, the creators' level is infinite and must not be listed.
  const listed = rules.auth.privilegedCreators ? [] : [creator, ...equals]
  return {
    users: Object.fromEntries(listed.map((userId) => [userId, 100])),
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.canonical_alias': 50,
      'm.room.avatar': 50,
      'm.room.tombstone': rules.auth.privilegedCreators ? CREATORS_ONLY_LEVEL : 100,
      'm.room.server_acl': 100,
      'm.room.encryption': 100,
    },
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: 0,
  }
}

/**
 * Adds the level for tombstones where the content lacks it: "If the room's version is 12 or higher, the power level
 * for sending `m.room.tombstone` events MUST explicitly be higher than `state_default`."
 */
export function withTombstoneLevel(content: JsonObject, rules: RoomVersionRules): JsonObject {
  if (!rules.auth.privilegedCreators) return content
  const events = member(content, 'events') ?? {}
  if (!isJsonObject(events)) return content
  const stateDefault = member(content, 'state_default')
  const floor = typeof stateDefault === 'number' ? stateDefault : 50
  const level = member(events, 'm.room.tombstone')
  if (level !== undefined && !(typeof level === 'number' && level <= floor)) return content
  const raised = Math.min(Math.max(CREATORS_ONLY_LEVEL, floor + 1), Number.MAX_SAFE_INTEGER)
  return { ...content, events: { ...events, 'm.room.tombstone': raised } }
}

/**
 * What may be sent as `m.room.power_levels`, stricter than what the rules of old room versions accept from others.
 *
 * @throws M_BAD_JSON for a level that isn't an integer, or a key of `users` that isn't a user id
 */
export function checkPowerLevelContent(content: JsonObject): void {
  for (const name of LEVEL_NAMES) {
    const level = member(content, name)
    if (level !== undefined) checkLevel(level, name)
  }
  for (const name of ['users', 'events', 'notifications']) {
    const levels = member(content, name)
    if (levels === undefined) continue
    if (!isJsonObject(levels)) throw badJson(`${name} must be an object`)
    for (const [key, level] of Object.entries(levels)) {
      if (name === 'users' && !isUserId(key)) throw badJson(`"${key}" in users is not a user id`)
      checkLevel(level, `${name}.${key}`)
    }
  }
}

function checkLevel(level: JsonValue, name: string): void {
  if (!Number.isSafeInteger(level)) throw badJson(`${name} must be an integer`)
}
