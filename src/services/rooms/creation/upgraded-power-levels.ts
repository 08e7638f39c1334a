/** What becomes of `m.room.power_levels` when a room is upgraded. */
import { LEVEL_NAMES, PowerLevels, parseLevel } from '#core/auth/power-levels.ts'
import type { Event } from '#core/event/event.ts'
import { isUserId, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { withTombstoneLevel } from '#services/rooms/creation/power-level-content.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'

export type UpgradedPowerLevels = {
  /** What the new room begins with: its creator may do all that the upgrade takes. */
  readonly first: JsonObject
  /** What it ends with where that is something else. */
  readonly last: JsonObject | null
}

/** The creator's level in a new room where the old one had no levels, or infinite ones. */
const CREATOR_LEVEL = 100

/** `creators` begins with the user who upgrades; `types` are the events that they will send into the new room. */
export async function upgradedPowerLevels(
  old: RoomDraft,
  rules: RoomVersionRules,
  creators: readonly UserId[],
  types: readonly string[],
): Promise<UpgradedPowerLevels> {
  const [creator] = creators
  const event = await old.state('m.room.power_levels', '')
  const create = await old.state('m.room.create', '')
  const oldLevels = new PowerLevels(old.rules, event ?? undefined, create ?? undefined)
  const levels = event === null ? {} : readLevels(event)
  const users = new Map(Object.entries(isJsonObject(levels.users) ? levels.users : {}))
  if (rules.auth.privilegedCreators) {
    for (const userId of creators) users.delete(userId)
    // Administrators could replace the old room: in the new one, that is for its creators again.
    const events = old.rules.auth.privilegedCreators ? levels.events : withoutTombstone(levels.events)
    const first = { ...levels, ...(events !== undefined && { events }), users: Object.fromEntries(users) }
    return { first: withTombstoneLevel(first, rules), last: null }
  }
  if (creator === undefined) return { first: levels, last: null }
  const isUnlimited = old.rules.auth.privilegedCreators
  const highest = isUnlimited ? Math.max(CREATOR_LEVEL, ...userLevels(levels)) : Number.POSITIVE_INFINITY
  const content = isUnlimited ? limitedLevels(levels, highest) : levels
  // Who stood above all levels, or needed none, becomes an ordinary administrator.
  if (isUnlimited) for (const userId of creatorsOf(create)) users.set(userId, highest)
  else if (event === null) users.set(creator, CREATOR_LEVEL)
  const last = { ...content, users: Object.fromEntries(users) }
  const needed = levelNeeded(last, types)
  if (((users.get(creator) ?? oldLevels.userLevel(creator)) as number) >= needed) return { first: last, last: null }
  users.set(creator, needed)
  return { first: { ...content, users: Object.fromEntries(users) }, last }
}

/** "setting `events_default` and `invite` to the greater of `50` and `users_default + 1`". */
export function closedPowerLevels(event: Event): JsonObject {
  const usersDefault = parseLevel(member(event.content, 'users_default'), event.rules) ?? 0
  const closed = Math.min(Math.max(50, usersDefault + 1), Number.MAX_SAFE_INTEGER)
  return { ...event.content, events_default: closed, invite: closed }
}

/** Every user whom a create event of version 12 sets above all levels. */
function creatorsOf(create: Event | null): string[] {
  if (create === null) return []
  const others = member(create.content, 'additional_creators')
  return [create.sender, ...(Array.isArray(others) ? others.filter((one) => typeof one === 'string') : [])]
}

function userLevels(levels: JsonObject): number[] {
  const users = member(levels, 'users')
  const all = [member(levels, 'users_default'), ...(isJsonObject(users) ? Object.values(users) : [])]
  return all.filter((level) => typeof level === 'number')
}

/**
 * Levels of which none is above the highest that somebody has: what only those with unlimited power could do, nobody
 * could do in a room without such users, not even lower the level again.
 */
function limitedLevels(levels: JsonObject, highest: number): Record<string, JsonValue> {
  const limited = (level: JsonValue) => (typeof level === 'number' ? Math.min(level, highest) : level)
  const limitedAll = (value: JsonObject) =>
    Object.fromEntries(Object.entries(value).map(([key, level]) => [key, limited(level)]))
  return Object.fromEntries(
    Object.entries(levels).map(([name, value]) => [name, isJsonObject(value) ? limitedAll(value) : limited(value)]),
  )
}

function withoutTombstone(events: JsonValue | undefined): JsonValue | undefined {
  if (!isJsonObject(events)) return events
  return Object.fromEntries(Object.entries(events).filter(([type]) => type !== 'm.room.tombstone'))
}

/** The levels of an event as plain integers, which old versions may have as text. */
function readLevels(event: Event): Record<string, JsonValue> {
  const content: Record<string, JsonValue> = {}
  for (const name of LEVEL_NAMES) {
    const level = parseLevel(member(event.content, name), event.rules)
    if (level !== undefined) content[name] = level
  }
  for (const name of ['users', 'events', 'notifications']) {
    const levels = member(event.content, name)
    if (!isJsonObject(levels)) continue
    const kept = Object.entries(levels).flatMap(([key, value]) => {
      const level = parseLevel(value, event.rules)
      return level === undefined || (name === 'users' && !isUserId(key)) ? [] : [[key, level] as const]
    })
    content[name] = Object.fromEntries(kept)
  }
  return content
}

/** What it takes to send these types of state, to ban, and to change the levels themselves at the end. */
function levelNeeded(content: JsonObject, types: readonly string[]): number {
  const number = (value: JsonValue | undefined, otherwise: number) => (typeof value === 'number' ? value : otherwise)
  const events = isJsonObject(content.events) ? content.events : {}
  const stateDefault = number(member(content, 'state_default'), 50)
  const sent = [...types, 'm.room.power_levels', 'm.room.join_rules', 'm.room.canonical_alias']
  return Math.max(
    ...sent.map((type) => number(member(events, type), stateDefault)),
    ...Object.values(events).map((level) => number(level, 0)),
    ...LEVEL_NAMES.map((name) => number(member(content, name), 50)),
  )
}
