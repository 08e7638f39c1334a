/** `GET /_matrix/client/v3/user/{userId}/account_data/{type}`: what is kept for the account. */
import { endpoint } from '#kit/endpoint.ts'
import { tEventType, tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'getAccountData',
  method: 'GET',
  path: '/_matrix/client/v3/user/{userId}/account_data/{type}',
  auth: 'user',
  rateLimit: false,
  params: { userId: tUserId, type: tEventType },
  handle({ params, caller }, { accountData }) {
    assertOwn(caller, params.userId)
    return accountData.get(caller, null, params.type)
  },
})
