/** `GET /_matrix/federation/v1/query/{queryType}`: questions that this server doesn't know. Those it knows have endpoints of their own. */
import { Type } from 'typebox'
import { unrecognized } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'queryInfo',
  method: 'GET',
  path: '/_matrix/federation/v1/query/{queryType}',
  auth: 'server',
  rateLimit: false,
  params: { queryType: Type.String() },

  handle() {
    throw unrecognized('This server does not know that kind of query')
  },
})
