/** `PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`: label a room for oneself. */
import { Type } from 'typebox'
import type { JsonObject } from '#core/json/value.ts'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId, tText, tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'setRoomTag',
  method: 'PUT',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}',
  auth: 'user',
  rateLimit: 'other',
  params: { userId: tUserId, roomId: tRoomId, tag: tText() },
  // Unknown members are kept: clients own this object.
  body: Type.Object({ order: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })) }),
  async handle({ params, body, caller }, { accountData }) {
    assertOwn(caller, params.userId)
    await accountData.setTag(caller, params.roomId, params.tag, body as JsonObject)
    return empty
  },
})
