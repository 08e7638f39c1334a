/** `DELETE /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`: delete a push rule of one's own. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'deletePushRule',
  method: 'DELETE',
  path: '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}',
  auth: 'user',
  rateLimit: 'other',
  params: { kind: Type.String(), ruleId: Type.String() },
  async handle({ params, caller }, { pushRules }) {
    await pushRules.delete(caller, params.kind, params.ruleId)
    return empty
  },
})
