/** `PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId}`: a user of another server asks to be let in. */
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tJsonObject, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'sendKnock',
  method: 'PUT',
  path: '/_matrix/federation/v1/send_knock/{roomId}/{eventId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, eventId: tEventId },
  body: tJsonObject,
  numbers: 'lossless',

  async handle({ params, body, origin }, { federation }) {
    return { knock_room_state: await federation.memberships.sentMemberships.knock({ ...params, json: body, origin }) }
  },
})
