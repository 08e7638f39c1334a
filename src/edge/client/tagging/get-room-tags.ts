/** `GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags`: the user's labels on a room. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId, tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'getRoomTags',
  method: 'GET',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags',
  auth: 'user',
  rateLimit: false,
  params: { userId: tUserId, roomId: tRoomId },
  async handle({ params, caller }, { accountData }) {
    assertOwn(caller, params.userId)
    return { tags: await accountData.tags(caller, params.roomId) }
  },
})
