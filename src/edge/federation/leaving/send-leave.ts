/** `PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId}`: a user of another server leaves, or rejects an invite. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tJsonObject, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'sendLeaveV2',
  method: 'PUT',
  path: '/_matrix/federation/v2/send_leave/{roomId}/{eventId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, eventId: tEventId },
  body: tJsonObject,
  numbers: 'lossless',

  async handle({ params, body, origin }, { federation }) {
    await federation.memberships.sentMemberships.leave({ ...params, json: body, origin })
    return empty
  },
})
