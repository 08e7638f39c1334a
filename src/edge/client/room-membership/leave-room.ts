/** `POST /_matrix/client/v3/rooms/{roomId}/leave`: leaves a room, rejects an invite or takes back a knock. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'leaveRoom',
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/leave',
  auth: 'user-or-guest',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  body: Type.Object({ reason: Type.Optional(Type.String()) }),

  async handle({ params, body, caller }, { federation }) {
    await federation.memberships.remoteMemberships.leave(caller, params.roomId, body.reason)
    return empty
  },
})
