/** `PUT /_matrix/client/v3/user/{userId}/account_data/{type}`: keep something for the account. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventType, tJsonObject, tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'setAccountData',
  method: 'PUT',
  path: '/_matrix/client/v3/user/{userId}/account_data/{type}',
  auth: 'user',
  rateLimit: 'other',
  params: { userId: tUserId, type: tEventType },
  body: tJsonObject,
  numbers: 'lossless',
  async handle({ params, body, caller }, { accountData }) {
    assertOwn(caller, params.userId)
    await accountData.put(caller, null, params.type, body)
    return empty
  },
})
