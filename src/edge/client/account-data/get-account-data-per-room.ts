/** `GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}`: what is kept about a room. */
import { endpoint } from '#kit/endpoint.ts'
import { tEventType, tRoomId, tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'getAccountDataPerRoom',
  method: 'GET',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}',
  auth: 'user',
  rateLimit: false,
  params: { userId: tUserId, roomId: tRoomId, type: tEventType },
  handle({ params, caller }, { accountData }) {
    assertOwn(caller, params.userId)
    return accountData.get(caller, params.roomId, params.type)
  },
})
