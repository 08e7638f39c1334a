/** `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`: enable or disable a push rule. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject } from '#kit/schemas.ts'

export default endpoint({
  spec: 'setPushRuleEnabled',
  method: 'PUT',
  path: '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled',
  auth: 'user',
  rateLimit: 'other',
  params: { kind: Type.String(), ruleId: Type.String() },
  body: tJsonObject,
  async handle({ params, body, caller }, { pushRules }) {
    await pushRules.setEnabled(caller, params.kind, params.ruleId, body)
    return empty
  },
})
