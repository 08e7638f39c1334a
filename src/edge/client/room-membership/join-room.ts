/** `POST /_matrix/client/v3/join/{roomIdOrAlias}`: joins a room by its id or one of its aliases. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tRoomIdOrAlias } from '#kit/schemas.ts'

export default endpoint({
  spec: 'joinRoom',
  method: 'POST',
  path: '/_matrix/client/v3/join/{roomIdOrAlias}',
  auth: 'user-or-guest',
  rateLimit: 'joinLocal',
  params: { roomIdOrAlias: tRoomIdOrAlias },
  body: Type.Object({ reason: Type.Optional(Type.String()), third_party_signed: Type.Optional(tJsonObject) }),
  numbers: 'lossless',

  async handle({ params, body, caller }, { rooms }) {
    const roomId = await rooms.aliases.roomIdOf(params.roomIdOrAlias)
    await rooms.memberships.join(caller, roomId, body.reason, body.third_party_signed)
    return { room_id: roomId }
  },
})
