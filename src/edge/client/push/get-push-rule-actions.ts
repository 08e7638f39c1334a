/** `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions`: what a push rule does. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getPushRuleActions',
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions',
  auth: 'user',
  rateLimit: false,
  params: { kind: Type.String(), ruleId: Type.String() },
  async handle({ params, caller }, { pushRules }) {
    const { actions } = await pushRules.rule(caller, params.kind, params.ruleId)
    return { actions }
  },
})
