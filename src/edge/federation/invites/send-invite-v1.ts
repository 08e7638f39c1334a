/** `PUT /_matrix/federation/v1/invite/{roomId}/{eventId}`: the old form, for rooms of versions 1 and 2. */
import { isJsonObject, member } from '#core/json/value.ts'
import { json } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tJsonObject, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'sendInviteV1',
  method: 'PUT',
  path: '/_matrix/federation/v1/invite/{roomId}/{eventId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, eventId: tEventId },
  body: tJsonObject,
  numbers: 'lossless',

  async handle({ params, body, origin }, { federation }) {
    const unsigned = member(body, 'unsigned')
    const inviteRoomState = isJsonObject(unsigned) ? member(unsigned, 'invite_room_state') : undefined
    // "Servers which receive a v1 invite request must assume that the room version is either "1" or "2"": alike here.
    const event = await federation.memberships.incomingInvites.receive({
      ...params,
      origin,
      roomVersion: '1',
      event: body,
      inviteRoomState,
    })
    return json(200, [200, { event }])
  },
})
