/** `POST /_matrix/client/v3/knock/{roomIdOrAlias}`: asks to be let into a room. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomIdOrAlias } from '#kit/schemas.ts'

export default endpoint({
  spec: 'knockRoom',
  method: 'POST',
  path: '/_matrix/client/v3/knock/{roomIdOrAlias}',
  auth: 'user',
  rateLimit: 'joinLocal',
  params: { roomIdOrAlias: tRoomIdOrAlias },
  body: Type.Object({ reason: Type.Optional(Type.String()) }),

  async handle({ params, body, caller }, { rooms }) {
    const roomId = await rooms.aliases.roomIdOf(params.roomIdOrAlias)
    await rooms.memberships.knock(caller, roomId, body.reason)
    return { room_id: roomId }
  },
})
