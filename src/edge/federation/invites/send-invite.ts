/** `PUT /_matrix/federation/v2/invite/{roomId}/{eventId}`: another server invites a user of this one. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tJson, tJsonObject, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'sendInviteV2',
  method: 'PUT',
  path: '/_matrix/federation/v2/invite/{roomId}/{eventId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, eventId: tEventId },
  body: Type.Object({ room_version: Type.String(), event: tJsonObject, invite_room_state: Type.Optional(tJson) }),
  numbers: 'lossless',

  async handle({ params, body, origin }, { federation }) {
    const { room_version: roomVersion, event, invite_room_state: inviteRoomState } = body
    return {
      event: await federation.memberships.incomingInvites.receive({
        ...params,
        origin,
        roomVersion,
        event,
        inviteRoomState,
      }),
    }
  },
})
