/** `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`: whether a push rule is enabled. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'isPushRuleEnabled',
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled',
  auth: 'user',
  rateLimit: false,
  params: { kind: Type.String(), ruleId: Type.String() },
  async handle({ params, caller }, { pushRules }) {
    const { enabled } = await pushRules.rule(caller, params.kind, params.ruleId)
    return { enabled }
  },
})
