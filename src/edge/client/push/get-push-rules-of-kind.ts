/**
 * `GET /_matrix/client/v3/pushrules/global/{kind}/`: the push rules of one kind. Gone from the specification, but
 * clients still ask for it, and others answer.
 */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global/{kind}/',
  auth: 'user',
  rateLimit: false,
  params: { kind: Type.String() },
  handle: ({ params, caller }, { pushRules }) => pushRules.ofKind(caller, params.kind),
})
