/** `GET /_matrix/federation/v1/make_leave/{roomId}/{userId}`: where in the room's graph a leave event would stand. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId, tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'makeLeave',
  method: 'GET',
  path: '/_matrix/federation/v1/make_leave/{roomId}/{userId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, userId: tUserId },

  handle({ params, origin }, { federation }) {
    const { roomId, userId } = params
    return federation.memberships.memberTemplates.make({ origin, roomId, userId, membership: 'leave', versions: null })
  },
})
