/** `GET /_matrix/federation/v1/query/profile`: a local user's profile. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'queryProfile',
  method: 'GET',
  path: '/_matrix/federation/v1/query/profile',
  auth: 'server',
  rateLimit: false,
  query: { user_id: tUserId, field: Type.Optional(Type.String()) },
  handle: ({ query }, { federation }) => federation.reads.userReads.profile(query.user_id, query.field ?? null),
})
