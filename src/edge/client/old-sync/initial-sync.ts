/** `GET /_matrix/client/v3/initialSync`: all rooms with their state, for clients that then listen to `/events`. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tCount } from '#kit/schemas.ts'

export default endpoint({
  spec: 'initialSync',
  method: 'GET',
  path: '/_matrix/client/v3/initialSync',
  auth: 'user',
  rateLimit: false,
  query: { limit: Type.Optional(tCount), archived: Type.Optional(Type.Boolean()) },

  handle({ query, caller, signal }, { initialSync }) {
    return initialSync.all(caller, { limit: query.limit ?? null, archived: query.archived ?? false }, signal)
  },
})
