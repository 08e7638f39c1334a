/** `POST /_matrix/client/v3/rooms/{roomId}/join`: joins a room by its id. */
import { Type } from 'typebox'
import type { JsonObject } from '#core/json/value.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tRoomId } from '#kit/schemas.ts'
import { joinContent } from '#services/rooms/members/member-content.ts'

export default endpoint({
  spec: 'joinRoomById',
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/join',
  auth: 'user-or-guest',
  rateLimit: 'joinLocal',
  params: { roomId: tRoomId },
  body: Type.Object({ reason: Type.Optional(Type.String()), third_party_signed: Type.Optional(tJsonObject) }),
  numbers: 'lossless',

  async handle({ params, body, caller }, { federation }) {
    const request = { via: [], content: joinContent(body as JsonObject), thirdPartySigned: body.third_party_signed }
    await federation.memberships.remoteMemberships.join(caller, params.roomId, request)
    return { room_id: params.roomId }
  },
})
