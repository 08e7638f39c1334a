/** `POST /_matrix/client/v3/logout`: end this session; its device is deleted. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'logout',
  method: 'POST',
  path: '/_matrix/client/v3/logout',
  auth: 'user-or-guest',
  rateLimit: false,
  async handle({ caller }, { sessions }) {
    await sessions.logout(caller)
    return empty
  },
})
