/** `PUT /_matrix/client/v3/profile/{userId}/{keyName}`: set one field of the user's own profile. */
import { Type } from 'typebox'
import { member } from '#core/json/value.ts'
import { missingParam } from '#core/matrix-error.ts'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'setProfileField',
  method: 'PUT',
  path: '/_matrix/client/v3/profile/{userId}/{keyName}',
  auth: 'user-or-guest',
  rateLimit: 'other',
  params: { userId: tUserId, keyName: Type.String() },
  body: tJsonObject,
  async handle({ params: { userId, keyName }, body, caller }, { profiles }) {
    const value = member(body, keyName)
    if (value === undefined) throw missingParam(`The body has no member of the field's name`)
    await profiles.setField(caller, userId, keyName, value)
    return empty
  },
})
