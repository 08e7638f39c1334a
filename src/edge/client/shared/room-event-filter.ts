import { parseRoomEventFilter, type RoomEventFilter } from '#core/filter/event-filter.ts'
import { CLIENT_DEPTH_MAX, parseJsonText } from '#core/json/parse.ts'

/** The `filter` parameter of endpoints that take a RoomEventFilter as JSON. @throws M_NOT_JSON, M_BAD_JSON */
export function roomEventFilterOf(parameter: string | undefined): RoomEventFilter {
  return parseRoomEventFilter(parameter === undefined ? {} : parseJsonText(parameter, { depthMax: CLIENT_DEPTH_MAX }))
}
