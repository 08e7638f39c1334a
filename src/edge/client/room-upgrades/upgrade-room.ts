/** `POST /_matrix/client/v3/rooms/{roomId}/upgrade`: replaces a room by one of another version. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId, tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'upgradeRoom',
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/upgrade',
  auth: 'user',
  rateLimit: 'roomCreation',
  params: { roomId: tRoomId },
  body: Type.Object({ new_version: Type.String(), additional_creators: Type.Optional(Type.Array(tUserId)) }),

  async handle({ params, body, caller }, { rooms }) {
    const request = { newVersion: body.new_version, additionalCreators: body.additional_creators ?? [] }
    return { replacement_room: await rooms.upgrades.upgrade(caller.userId, params.roomId, request) }
  },
})
