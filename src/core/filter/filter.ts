import { type FieldSelection, parseEventFields } from '#core/filter/event-fields.ts'
import {
  type EventFilter,
  parseEventFilter,
  parseRoomEventFilter,
  type RoomEventFilter,
} from '#core/filter/event-filter.ts'
import { asFilterObject, optionalBoolean, optionalList } from '#core/filter/filter-members.ts'
import { type JsonValue, member } from '#core/json/value.ts'
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
  const eventFormat = member(json, 'event_format') ?? 'client'
  if (eventFormat !== 'client' && eventFormat !== 'federation') throw badJson('event_format is not known')
  return {
    eventFields: parseEventFields(json),
    eventFormat,
    presence: parseEventFilter(member(json, 'presence') ?? {}),
    accountData: parseEventFilter(member(json, 'account_data') ?? {}),
    room: parseRoomFilter(member(json, 'room') ?? {}),
  }
}

function parseRoomFilter(value: JsonValue): RoomFilter {
  const json = asFilterObject(value, 'room')
  const rooms = optionalList(json, 'rooms', '!')
  return {
    rooms: rooms === null ? null : new Set(rooms),
    notRooms: new Set(optionalList(json, 'not_rooms', '!')),
    includeLeave: optionalBoolean(json, 'include_leave') ?? false,
    state: parseRoomEventFilter(member(json, 'state') ?? {}),
    timeline: parseRoomEventFilter(member(json, 'timeline') ?? {}),
    ephemeral: parseRoomEventFilter(member(json, 'ephemeral') ?? {}),
    accountData: parseRoomEventFilter(member(json, 'account_data') ?? {}),
  }
}
