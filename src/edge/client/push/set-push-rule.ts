/** `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`: add or change a push rule of one's own. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject } from '#kit/schemas.ts'

export default endpoint({
  spec: 'setPushRule',
  method: 'PUT',
  path: '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}',
  auth: 'user',
  rateLimit: 'other',
  params: { kind: Type.String(), ruleId: Type.String() },
  query: { before: Type.Optional(Type.String()), after: Type.Optional(Type.String()) },
  body: tJsonObject,
  async handle({ params, query, body, caller }, { pushRules }) {
    await pushRules.put(caller, params.kind, params.ruleId, body, query)
    return empty
  },
})
