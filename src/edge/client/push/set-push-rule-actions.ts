/** `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions`: change what a push rule does. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject } from '#kit/schemas.ts'

export default endpoint({
  spec: 'setPushRuleActions',
  method: 'PUT',
  path: '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions',
  auth: 'user',
  rateLimit: 'other',
  params: { kind: Type.String(), ruleId: Type.String() },
  body: tJsonObject,
  async handle({ params, body, caller }, { pushRules }) {
    await pushRules.setActions(caller, params.kind, params.ruleId, body)
    return empty
  },
})
