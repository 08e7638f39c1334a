/** `GET /_matrix/client/v3/login`: the ways to log in. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getLoginFlows',
  method: 'GET',
  path: '/_matrix/client/v3/login',
  auth: 'none',
  rateLimit: 'other',
  handle: () => ({ flows: [{ type: 'm.login.password' }] }),
})
