/** `GET /_matrix/client/v3/pushrules/global/`: all push rules. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getPushRulesGlobal',
  method: 'GET',
  path: ['/_matrix/client/v3/pushrules/global/', '/_matrix/client/v3/pushrules/global'],
  auth: 'user',
  rateLimit: false,
  handle: ({ caller }, { pushRules }) => pushRules.ruleset(caller),
})
