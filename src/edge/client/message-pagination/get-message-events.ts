/** `GET /_matrix/client/v3/rooms/{roomId}/messages`: pages through a room's timeline. */
import { Type } from 'typebox'
import { directionOf } from '#edge/client/shared/direction.ts'
import { roomEventFilterOf } from '#edge/client/shared/room-event-filter.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tDirection, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomEvents',
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/messages',
  auth: 'user-or-guest',
  rateLimit: false,
  params: { roomId: tRoomId },
  query: {
    from: Type.Optional(Type.String()),
    to: Type.Optional(Type.String()),
    dir: tDirection,
    limit: Type.Optional(tCount),
    filter: Type.Optional(Type.String()),
  },

  handle({ params, query, caller }, { federation }) {
    return federation.reads.roomHistory.messages(caller, params.roomId, {
      direction: directionOf(query.dir),
      from: query.from ?? null,
      to: query.to ?? null,
      limit: query.limit ?? null,
      filter: roomEventFilterOf(query.filter),
    })
  },
})
