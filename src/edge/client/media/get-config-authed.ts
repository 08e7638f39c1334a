/** `GET /_matrix/client/v1/media/config`: limits of uploads. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getConfigAuthed',
  method: 'GET',
  path: '/_matrix/client/v1/media/config',
  auth: 'user-or-guest',
  rateLimit: 'other',
  // "If not listed or null, the size limit should be treated as unknown": nothing can be uploaded yet.
  handle: () => empty,
})
