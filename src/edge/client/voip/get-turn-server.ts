/** `GET /_matrix/client/v3/voip/turnServer`: what helps calls through firewalls. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getTurnServer',
  method: 'GET',
  path: '/_matrix/client/v3/voip/turnServer',
  auth: 'user-or-guest',
  rateLimit: 'other',
  // NOTSPEC: the specification has no answer for a server that knows none. Clients ask each hour, take {} for "none", and
  // log an error for anything else.
  handle: () => empty,
})
