/** `DELETE /_matrix/client/v3/directory/room/{roomAlias}`: takes an alias away. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomAlias } from '#kit/schemas.ts'

export default endpoint({
  spec: 'deleteRoomAlias',
  method: 'DELETE',
  path: '/_matrix/client/v3/directory/room/{roomAlias}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomAlias: tRoomAlias },

  async handle({ params, caller }, { rooms }) {
    await rooms.aliases.delete(caller, params.roomAlias)
    return empty
  },
})
