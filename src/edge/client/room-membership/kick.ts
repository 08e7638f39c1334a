/** `POST /_matrix/client/v3/rooms/{roomId}/kick`: takes somebody out of a room. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId, tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'kick',
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/kick',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  body: Type.Object({ user_id: tUserId, reason: Type.Optional(Type.String()) }),

  async handle({ params, body, caller }, { rooms }) {
    await rooms.memberships.kick(caller, params.roomId, body.user_id, body.reason)
    return empty
  },
})
