/** `GET /_matrix/client/v3/rooms/{roomId}/initialSync`: one room with its state, to peek into it. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'roomInitialSync',
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/initialSync',
  auth: 'user-or-guest',
  rateLimit: false,
  params: { roomId: tRoomId },
  query: { limit: Type.Optional(tCount) },

  handle({ params, query, caller }, { initialSync }) {
    return initialSync.room(caller, params.roomId, { limit: query.limit ?? null })
  },
})
