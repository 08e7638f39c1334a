/** `GET /_matrix/federation/v1/make_join/{roomId}/{userId}`: where in the room's graph a join event would stand. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId, tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'makeJoin',
  method: 'GET',
  path: '/_matrix/federation/v1/make_join/{roomId}/{userId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, userId: tUserId },
  query: { ver: Type.Optional(Type.Array(Type.String())) },

  handle({ params, query, origin }, { federation }) {
    const { roomId, userId } = params
    // "Defaults to `[1]`."
    return federation.memberships.memberTemplates.make({
      origin,
      roomId,
      userId,
      membership: 'join',
      versions: query.ver ?? ['1'],
    })
  },
})
