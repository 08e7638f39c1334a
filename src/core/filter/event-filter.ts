import { asFilterObject, optionalBoolean, optionalList } from '#core/filter/filter-members.ts'
import { parseTypePatterns, type TypePatterns } from '#core/filter/type-patterns.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson } from '#core/matrix-error.ts'

/** "Servers should apply a default value, and impose a maximum value to avoid resource exhaustion." */
export const EVENT_LIMIT_MAX = 1_000

/** Which events are wanted (definition EventFilter). */
export type EventFilter = {
  /** How many events at most, up to `EVENT_LIMIT_MAX`; null if the client names none. */
  readonly limit: number | null
  /** null for all. */
  readonly types: TypePatterns | null
  readonly notTypes: TypePatterns
  /** null for all. */
  readonly senders: ReadonlySet<string> | null
  readonly notSenders: ReadonlySet<string>
}

/** Which events of rooms are wanted (definition RoomEventFilter). */
export type RoomEventFilter = EventFilter & {
  readonly rooms: ReadonlySet<string> | null
  readonly notRooms: ReadonlySet<string>
  /** true: only events with `url` in their content; false: only those without; null: all. */
  readonly containsUrl: boolean | null
  readonly lazyLoadMembers: boolean
  readonly includeRedundantMembers: boolean
  readonly unreadThreadNotifications: boolean
  /** Only events to which another relates in one of these ways; null for all. Decided by whoever knows relations. */
  readonly relatedByRelTypes: readonly string[] | null
  /** Only events to which one of these users' events relates; null for all. Decided by whoever knows relations. */
  readonly relatedBySenders: readonly string[] | null
}

/** What a filter looks at. Ephemeral events and account data have no sender. */
export type FilteredEvent = {
  readonly type: string
  readonly sender?: string
  readonly content: JsonObject
}

/** @throws MatrixError M_BAD_JSON */
export function parseEventFilter(value: JsonValue): EventFilter {
  const json = asFilterObject(value, 'A filter of events')
  const types = optionalList(json, 'types')
  const senders = optionalList(json, 'senders', '@')
  return {
    limit: parseLimit(member(json, 'limit')),
    types: types === null ? null : parseTypePatterns(types),
    notTypes: parseTypePatterns(optionalList(json, 'not_types') ?? []),
    senders: senders === null ? null : new Set(senders),
    notSenders: new Set(optionalList(json, 'not_senders', '@')),
  }
}

/**
 * A filter of room events, from a filter definition or from the `filter` parameter of an endpoint such as `/messages`.
 *
 * @throws MatrixError M_BAD_JSON
 */
export function parseRoomEventFilter(value: JsonValue): RoomEventFilter {
  const json = asFilterObject(value, 'A filter of room events')
  const rooms = optionalList(json, 'rooms', '!')
  return {
    ...parseEventFilter(json),
    rooms: rooms === null ? null : new Set(rooms),
    notRooms: new Set(optionalList(json, 'not_rooms', '!')),
    containsUrl: optionalBoolean(json, 'contains_url'),
    lazyLoadMembers: optionalBoolean(json, 'lazy_load_members') ?? false,
    includeRedundantMembers: optionalBoolean(json, 'include_redundant_members') ?? false,
    unreadThreadNotifications: optionalBoolean(json, 'unread_thread_notifications') ?? false,
    relatedByRelTypes: optionalList(json, 'related_by_rel_types'),
    relatedBySenders: optionalList(json, 'related_by_senders', '@'),
  }
}

/** Whether an event passes, apart from its room. "A matching type will be excluded even if it is listed in `types`." */
export function eventPasses(filter: EventFilter, event: FilteredEvent): boolean {
  if (filter.notTypes.matches(event.type)) return false
  if (filter.types !== null && !filter.types.matches(event.type)) return false
  if (event.sender !== undefined && filter.notSenders.has(event.sender)) return false
  return filter.senders === null || (event.sender !== undefined && filter.senders.has(event.sender))
}

/**
 * Whether a room passes `rooms` and `not_rooms`: of the filter's `room` part, "applied before the filters in
 * `ephemeral`, `state`, `timeline` or `account_data`", or of one of these. "A matching room will be excluded even if it
 * is listed in the `rooms` filter."
 */
export function roomPasses(
  filter: { readonly rooms: ReadonlySet<string> | null; readonly notRooms: ReadonlySet<string> },
  roomId: string,
): boolean {
  return !filter.notRooms.has(roomId) && (filter.rooms === null || filter.rooms.has(roomId))
}

/** Whether an event of a room passes. Relations (`relatedBy…`) are left to the caller. */
export function roomEventPasses(filter: RoomEventFilter, roomId: string, event: FilteredEvent): boolean {
  if (!roomPasses(filter, roomId)) return false
  if (filter.containsUrl !== null && filter.containsUrl !== Object.hasOwn(event.content, 'url')) return false
  return eventPasses(filter, event)
}

/** Whether no event at all can pass, so that nothing need be read from the store. */
export function passesNothing(filter: EventFilter): boolean {
  return filter.types?.isEmpty === true || filter.senders?.size === 0 || filter.notTypes.matchesAll
}

/**
 * "The maximum number of events to return, must be an integer greater than 0." NOTSPEC: 0 is taken at its word, as
 * clients expect that ask with it for no events at all.
 */
function parseLimit(value: JsonValue | undefined): number | null {
  if (value === undefined) return null
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw badJson('limit must be an integer greater than 0')
  }
  return Math.min(value, EVENT_LIMIT_MAX)
}
