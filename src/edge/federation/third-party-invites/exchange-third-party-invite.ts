/** `PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}`: an invited address turned out to be this user's. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tRoomId, tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'exchangeThirdPartyInvite',
  method: 'PUT',
  path: '/_matrix/federation/v1/exchange_third_party_invite/{roomId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  body: Type.Object({
    type: Type.String(),
    room_id: tRoomId,
    sender: tUserId,
    state_key: tUserId,
    content: tJsonObject,
  }),
  numbers: 'lossless',

  async handle({ params, body, origin }, { federation }) {
    const { type, room_id: roomId, sender, state_key: invitee, content } = body
    await federation.memberships.thirdPartyInvites.exchange({
      origin,
      pathRoomId: params.roomId,
      type,
      roomId,
      sender,
      invitee,
      content,
    })
    return empty
  },
})
