/**
 * `GET /_matrix/key/v2/server[/{keyId}]`: the keys with which this server signs, or once did. Older servers ask for one
 * key; "Servers should return all published keys" all the same, which the signature covers together.
 */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { keyDocument } from '../shared/key-document.ts'

export default endpoint({
  spec: 'getServerKey',
  method: 'GET',
  path: ['/_matrix/key/v2/server', '/_matrix/key/v2/server/{keyId}'],
  auth: 'none',
  rateLimit: false,
  params: { keyId: Type.Optional(Type.String()) },
  handle: (_input, { federation }) => keyDocument(federation.ownKeys.document()),
})
