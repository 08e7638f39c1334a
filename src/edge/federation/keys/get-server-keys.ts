/** `GET /_matrix/key/v2/server`: the keys with which this server signs, or once did. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getServerKey',
  method: 'GET',
  path: '/_matrix/key/v2/server',
  auth: 'none',
  rateLimit: false,
  handle: (_input, { federation }) => federation.ownKeys.document(),
})
