import type { Event } from '#core/event/event.ts'
import type { UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { contentField } from './content-field.ts'

/** The properties of `m.room.power_levels` that hold one level, with their values where absent. */
export const LEVEL_DEFAULTS = {
  users_default: 0,
  events_default: 0,
  state_default: 50,
  ban: 50,
  redact: 50,
  kick: 50,
  invite: 0,
} as const
export type LevelName = keyof typeof LEVEL_DEFAULTS
export const LEVEL_NAMES = Object.keys(LEVEL_DEFAULTS) as readonly LevelName[]

/** `" +0100 "`: base 10, no decimal point, optional sign, whitespace around ("accept values as strings"). */
const INTEGER_IN_STRING = /^\s*[+-]?\d+\s*$/

/**
 * A level as the room version reads it, or undefined where the value isn't one. From version 10 on only integers;
 * before, strings of integers, and floats truncated at the decimal point.
 */
export function parseLevel(value: JsonValue | undefined, rules: RoomVersionRules): number | undefined {
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return value
    return rules.auth.integerPowerLevels || !Number.isFinite(value) ? undefined : Math.trunc(value)
  }
  if (rules.auth.integerPowerLevels) return undefined
  const text = levelText(value)
  if (text === undefined) return undefined
  const level = Math.trunc(Number(text))
  return Number.isFinite(level) ? level : undefined
}

function levelText(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return INTEGER_IN_STRING.test(value) ? value : undefined
  if (JSON.isRawJSON(value)) return value.rawJSON
  return undefined
}

/** The user who made the room, in versions where that is one user: `content.creator`, or the sender from version 11. */
export function roomCreator(create: Event): JsonValue | undefined {
  return create.rules.auth.createNamesCreator ? contentField(create, 'creator') : create.sender
}

/** Whether the user stands above every power level: a creator of a room of version 12. */
export function isPrivilegedCreator(create: Event, userId: string): boolean {
  if (!create.rules.auth.privilegedCreators) return false
  if (create.sender === userId) return true
  const others = contentField(create, 'additional_creators')
  return Array.isArray(others) && others.includes(userId)
}

/**
 * Who may do what in a room ("m.room.power_levels"). Reads the event's content where asked and never throws: whatever
 * isn't a level counts as absent.
 */
export class PowerLevels {
  readonly #rules: RoomVersionRules
  /** null where the room has no `m.room.power_levels`. */
  readonly #content: JsonObject | null
  readonly #create: Event | undefined

  /** `powerLevels` and `create` as in the room's state; undefined where the state has none. */
  constructor(rules: RoomVersionRules, powerLevels: Event | undefined, create: Event | undefined) {
    this.#rules = rules
    this.#create = create
    if (powerLevels === undefined) this.#content = null
    else this.#content = isJsonObject(powerLevels.content) ? powerLevels.content : {}
  }

  /** Infinity for a creator in version 12. Without a power levels event the creator has 100 and everyone else 0. */
  userLevel(userId: UserId | string): number {
    if (this.#create !== undefined && isPrivilegedCreator(this.#create, userId)) return Number.POSITIVE_INFINITY
    if (this.#content === null) {
      return this.#create !== undefined && roomCreator(this.#create) === userId ? 100 : 0
    }
    return this.#entry('users', userId) ?? this.#level('users_default')
  }

  /** The level that sending an event of this type takes: `state_default` is 50 also where there is no event. */
  levelForEvent(type: string, isState: boolean): number {
    return this.#entry('events', type) ?? this.#level(isState ? 'state_default' : 'events_default')
  }

  get invite(): number {
    return this.#level('invite')
  }

  get kick(): number {
    return this.#level('kick')
  }

  get ban(): number {
    return this.#level('ban')
  }

  get redact(): number {
    return this.#level('redact')
  }

  /** The level that a notification such as `room` (for `@room`) takes; 50 unless set. */
  notifications(key: string): number {
    return this.#entry('notifications', key) ?? 50
  }

  #level(name: LevelName): number {
    const value = this.#content === null ? undefined : member(this.#content, name)
    return parseLevel(value, this.#rules) ?? LEVEL_DEFAULTS[name]
  }

  #entry(map: 'users' | 'events' | 'notifications', key: string): number | undefined {
    const entries = this.#content === null ? undefined : member(this.#content, map)
    return isJsonObject(entries) ? parseLevel(member(entries, key), this.#rules) : undefined
  }
}
