/** `GET /_matrix/federation/v1/hierarchy/{roomId}`: a room and those directly under it. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getSpaceHierarchy',
  method: 'GET',
  path: '/_matrix/federation/v1/hierarchy/{roomId}',
  auth: 'server',
  rateLimit: false,
  params: { roomId: tRoomId },
  query: { suggested_only: Type.Optional(Type.Boolean()) },
  handle: ({ params, query, origin }, { federation }) =>
    federation.reads.spaceReads.hierarchy(origin, params.roomId, query.suggested_only ?? false),
})
