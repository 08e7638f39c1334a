/** `GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}`: an event with what happened just before and after it. */
import { Type } from 'typebox'
import { roomEventFilterOf } from '#edge/client/shared/room-event-filter.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tEventId, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getEventContext',
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/context/{eventId}',
  auth: 'user-or-guest',
  rateLimit: false,
  params: { roomId: tRoomId, eventId: tEventId },
  query: { limit: Type.Optional(tCount), filter: Type.Optional(Type.String()) },

  handle({ params, query, caller }, { federation }) {
    const options = { limit: query.limit ?? null, filter: roomEventFilterOf(query.filter) }
    return federation.reads.roomHistory.context(caller, params.roomId, params.eventId, options)
  },
})
