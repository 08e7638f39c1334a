/** `DELETE /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`: take a label off a room. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId, tText, tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'deleteRoomTag',
  method: 'DELETE',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}',
  auth: 'user',
  rateLimit: 'other',
  params: { userId: tUserId, roomId: tRoomId, tag: tText() },
  async handle({ params, caller }, { accountData }) {
    assertOwn(caller, params.userId)
    await accountData.deleteTag(caller, params.roomId, params.tag)
    return empty
  },
})
