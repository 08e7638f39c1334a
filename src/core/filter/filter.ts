import { type FieldSelection, parseEventFields } from '#core/filter/event-fields.ts'
import {
  type EventFilter,
  parseEventFilter,
  parseRoomEventFilter,
  type RoomEventFilter,
} from '#core/filter/event-filter.ts'
import { asFilterObject, optionalBoolean, optionalList } from '#core/filter/filter-members.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson, tooLarge } from '#core/matrix-error.ts'

/** A filter definition as JSON, in UTF-16 code units. */
export const FILTER_LENGTH_MAX = 65_536

/** The `room` part of a filter. */
export type RoomFilter = {
  readonly rooms: ReadonlySet<string> | null
  readonly notRooms: ReadonlySet<string>
  /** Whether rooms that the user has left are wanted. */
  readonly includeLeave: boolean
  readonly state: RoomEventFilter
  readonly timeline: RoomEventFilter
  readonly ephemeral: RoomEventFilter
  readonly accountData: RoomEventFilter
}

/** A filter (specification, "Filtering"), validated and made ready for use. */
export type Filter = {
  /** The fields of events that are wanted; null for all. See `selectFields`. */
  readonly eventFields: FieldSelection | null
  readonly eventFormat: 'client' | 'federation'
  readonly presence: EventFilter
  readonly accountData: EventFilter
  readonly room: RoomFilter
}

/**
 * Validates a filter definition and makes it ready. Unknown members are allowed and mean nothing. What is stored and
 * shown to the client again is the definition itself.
 *
 * @throws MatrixError M_BAD_JSON; M_TOO_LARGE
 */
export function parseFilter(definition: JsonValue): Filter {
  const json = asFilterObject(definition, 'The filter')
  if (JSON.stringify(json).length > FILTER_LENGTH_MAX) throw tooLarge('The filter is too long')
  return {
    eventFields: parseEventFields(json),
    eventFormat: parseEventFormat(member(json, 'event_format')),
    presence: parseEventFilter(part(json, 'presence')),
    accountData: parseEventFilter(part(json, 'account_data')),
    room: parseRoomFilter(part(json, 'room')),
  }
}

function parseRoomFilter(value: JsonValue): RoomFilter {
  const json = asFilterObject(value, 'room')
  const rooms = optionalList(json, 'rooms', '!')
  return {
    rooms: rooms === null ? null : new Set(rooms),
    notRooms: new Set(optionalList(json, 'not_rooms', '!')),
    includeLeave: optionalBoolean(json, 'include_leave') ?? false,
    state: parseRoomEventFilter(part(json, 'state')),
    timeline: parseRoomEventFilter(part(json, 'timeline')),
    ephemeral: parseRoomEventFilter(part(json, 'ephemeral')),
    accountData: parseRoomEventFilter(part(json, 'account_data')),
  }
}

function parseEventFormat(value: JsonValue | undefined): 'client' | 'federation' {
  if (value === undefined || value === 'client') return 'client'
  if (value !== 'federation') throw badJson('event_format must be client or federation')
  return value
}

/** A part that is absent filters nothing. */
function part(json: JsonObject, key: string): JsonValue {
  const value = member(json, key)
  return value === undefined ? {} : value
}
