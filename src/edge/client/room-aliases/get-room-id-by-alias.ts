/** `GET /_matrix/client/v3/directory/room/{roomAlias}`: the room that an alias stands for. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomAlias } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomIdByAlias',
  method: 'GET',
  path: '/_matrix/client/v3/directory/room/{roomAlias}',
  auth: 'none',
  rateLimit: 'other',
  params: { roomAlias: tRoomAlias },

  handle: ({ params }, { federation }) => federation.reads.remoteAliases.resolve(params.roomAlias),
})
