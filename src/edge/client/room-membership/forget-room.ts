/** `POST /_matrix/client/v3/rooms/{roomId}/forget`: forgets a room that one has left. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'forgetRoom',
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/forget',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },

  async handle({ params, caller }, { rooms }) {
    await rooms.memberships.forget(caller.userNid, params.roomId)
    return empty
  },
})
