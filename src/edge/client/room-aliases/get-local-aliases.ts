/** `GET /_matrix/client/v3/rooms/{roomId}/aliases`: the aliases that this server has for a room. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getLocalAliases',
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/aliases',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },

  async handle({ params, caller }, { rooms }) {
    return { aliases: await rooms.aliases.ofRoom(caller.userId, params.roomId) }
  },
})
