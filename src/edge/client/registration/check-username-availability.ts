/** `GET /_matrix/client/v3/register/available`: whether a name can be had. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'checkUsernameAvailability',
  method: 'GET',
  path: '/_matrix/client/v3/register/available',
  auth: 'none',
  rateLimit: 'other',
  query: { username: Type.String() },
  async handle({ query }, { registration }) {
    registration.assertOpen()
    await registration.assertAvailable(query.username)
    return { available: true }
  },
})
