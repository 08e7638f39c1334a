/** `DELETE /_matrix/client/v3/profile/{userId}/{keyName}`: remove one field of the user's own profile. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'deleteProfileField',
  method: 'DELETE',
  path: '/_matrix/client/v3/profile/{userId}/{keyName}',
  auth: 'user-or-guest',
  rateLimit: 'other',
  params: { userId: tUserId, keyName: Type.String() },
  async handle({ params: { userId, keyName }, caller }, { profiles }) {
    await profiles.deleteField(caller, userId, keyName)
    return empty
  },
})
