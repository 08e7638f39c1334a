/** `GET /_matrix/client/v1/rooms/{roomId}/hierarchy`: the tree of rooms under a space. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getSpaceHierarchy',
  method: 'GET',
  path: '/_matrix/client/v1/rooms/{roomId}/hierarchy',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  query: {
    suggested_only: Type.Optional(Type.Boolean()),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
    max_depth: Type.Optional(tCount),
    from: Type.Optional(Type.String()),
  },

  handle({ params, query, caller }, { federation }) {
    return federation.reads.spaceHierarchy.page(caller, params.roomId, {
      suggestedOnly: query.suggested_only ?? false,
      maxDepth: query.max_depth ?? null,
      limit: query.limit ?? null,
      from: query.from ?? null,
    })
  },
})
