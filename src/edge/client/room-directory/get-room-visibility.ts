/** `GET /_matrix/client/v3/directory/list/room/{roomId}`: whether a room is in this server's list. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomVisibilityOnDirectory',
  method: 'GET',
  path: '/_matrix/client/v3/directory/list/room/{roomId}',
  auth: 'none',
  rateLimit: 'other',
  params: { roomId: tRoomId },

  async handle({ params }, { rooms }) {
    return { visibility: await rooms.directory.visibility(params.roomId) }
  },
})
