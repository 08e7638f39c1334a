/** `GET /_matrix/media/v3/config`: the older form of `/_matrix/client/v1/media/config`. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getConfig',
  method: 'GET',
  path: '/_matrix/media/v3/config',
  auth: 'user-or-guest',
  rateLimit: 'other',
  // "If not listed or null, the size limit should be treated as unknown": nothing can be uploaded yet.
  handle: () => empty,
})
