/** `PUT /_matrix/federation/v1/send_join/{roomId}/{eventId}`: the old form, which left the specification with v1.18. */
import { json } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tJsonObject, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: null,
  method: 'PUT',
  path: '/_matrix/federation/v1/send_join/{roomId}/{eventId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, eventId: tEventId },
  body: tJsonObject,
  numbers: 'lossless',

  async handle({ params, body, origin }, { federation }) {
    return json(200, [200, await federation.memberships.sentMemberships.join({ ...params, json: body, origin }, false)])
  },
})
