/** `PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}`: keep something about a room. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventType, tJsonObject, tRoomId, tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'setAccountDataPerRoom',
  method: 'PUT',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}',
  auth: 'user',
  rateLimit: 'other',
  params: { userId: tUserId, roomId: tRoomId, type: tEventType },
  body: tJsonObject,
  numbers: 'lossless',
  async handle({ params, body, caller }, { accountData }) {
    assertOwn(caller, params.userId)
    await accountData.put(caller, params.roomId, params.type, body)
    return empty
  },
})
