/** `PUT /_matrix/federation/v1/send_leave/{roomId}/{eventId}`: the old form, which left the specification with v1.18. */
import { json } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tJsonObject, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: null,
  method: 'PUT',
  path: '/_matrix/federation/v1/send_leave/{roomId}/{eventId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, eventId: tEventId },
  body: tJsonObject,
  numbers: 'lossless',

  async handle({ params, body, origin }, { federation }) {
    await federation.memberships.sentMemberships.leave({ ...params, json: body, origin })
    return json(200, [200, {}])
  },
})
