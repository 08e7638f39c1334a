/** `GET /_matrix/client/v3/pushrules/`: all push rulesets, of which there is one. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getPushRules',
  method: 'GET',
  path: ['/_matrix/client/v3/pushrules/', '/_matrix/client/v3/pushrules'],
  auth: 'user',
  rateLimit: false,
  handle: async ({ caller }, { pushRules }) => ({ global: await pushRules.ruleset(caller) }),
})
