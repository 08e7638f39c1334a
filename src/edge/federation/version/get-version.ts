/** `GET /_matrix/federation/v1/version`: what this server is. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getVersion',
  method: 'GET',
  path: '/_matrix/federation/v1/version',
  auth: 'none',
  rateLimit: false,
  handle: (_input, { federation }) => ({ server: federation.software }),
})
