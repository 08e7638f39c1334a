/** `POST /_matrix/client/v3/logout/all`: end all sessions of the user. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'logout_all',
  method: 'POST',
  path: '/_matrix/client/v3/logout/all',
  auth: 'user-or-guest',
  rateLimit: false,
  async handle({ caller }, { sessions }) {
    await sessions.logoutAll(caller.userNid)
    return empty
  },
})
