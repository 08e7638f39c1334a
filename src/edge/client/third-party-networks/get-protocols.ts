/** `GET /_matrix/client/v3/thirdparty/protocols`: the networks that bridges connect to. There are no bridges yet. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getProtocols',
  method: 'GET',
  path: '/_matrix/client/v3/thirdparty/protocols',
  auth: 'user',
  rateLimit: false,
  handle: () => empty,
})
