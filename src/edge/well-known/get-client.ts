/** `GET /.well-known/matrix/client`: where clients find the homeserver behind a server name. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getWellknown',
  method: 'GET',
  path: '/.well-known/matrix/client',
  auth: 'none',
  rateLimit: false,
  handle: (_input, { config }) => ({ 'm.homeserver': { base_url: config.public_baseurl } }),
})
