/** `PUT /_matrix/client/v3/directory/room/{roomAlias}`: gives a room an alias. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomAlias, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'setRoomAlias',
  method: 'PUT',
  path: '/_matrix/client/v3/directory/room/{roomAlias}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomAlias: tRoomAlias },
  body: Type.Object({ room_id: tRoomId }),

  async handle({ params, body, caller }, { rooms }) {
    await rooms.aliases.create(caller.userId, params.roomAlias, body.room_id)
    return empty
  },
})
