/** `GET /_matrix/client/v3/profile/{userId}/{keyName}`: one field of a profile. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getProfileField',
  method: 'GET',
  path: '/_matrix/client/v3/profile/{userId}/{keyName}',
  auth: 'none',
  rateLimit: false,
  params: { userId: tUserId, keyName: Type.String() },
  async handle({ params: { userId, keyName } }, { profiles }) {
    return { [keyName]: await profiles.getField(userId, keyName) }
  },
})
