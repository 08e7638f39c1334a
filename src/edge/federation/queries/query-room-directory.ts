/** `GET /_matrix/federation/v1/query/directory`: the room of one of this server's aliases. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomAlias } from '#kit/schemas.ts'

export default endpoint({
  spec: 'queryRoomDirectory',
  method: 'GET',
  path: '/_matrix/federation/v1/query/directory',
  auth: 'server',
  rateLimit: false,
  query: { room_alias: tRoomAlias },
  handle: ({ query }, { federation }) => federation.reads.userReads.directory(query.room_alias),
})
