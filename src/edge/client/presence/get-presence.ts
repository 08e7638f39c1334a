/** `GET /_matrix/client/v3/presence/{userId}/status`: whether somebody is online. */
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getPresence',
  method: 'GET',
  path: '/_matrix/client/v3/presence/{userId}/status',
  auth: 'user',
  rateLimit: false,
  params: { userId: tUserId },
  handle: ({ params, caller }, { presence }) => presence.get(caller, params.userId),
})
