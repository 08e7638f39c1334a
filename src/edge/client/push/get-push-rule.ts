/** `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`: one push rule. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getPushRule',
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}',
  auth: 'user',
  rateLimit: false,
  params: { kind: Type.String(), ruleId: Type.String() },
  handle: ({ params, caller }, { pushRules }) => pushRules.rule(caller, params.kind, params.ruleId),
})
