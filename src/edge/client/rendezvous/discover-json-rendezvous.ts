/** `GET /_matrix/client/unstable/io.element.msc4388/rendezvous`: whether one may make a place to meet (MSC4388). */
import { endpoint } from '#kit/endpoint.ts'
import { MSC4388_PATH } from '../shared/rendezvous-answers.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: MSC4388_PATH,
  auth: 'optional',
  rateLimit: 'other',
  handle: ({ caller }) => ({ create_available: caller !== null && !caller.isGuest }),
})
