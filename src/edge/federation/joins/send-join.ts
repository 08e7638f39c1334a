/** `PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}`: lets a user of another server in. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tJsonObject, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'sendJoinV2',
  method: 'PUT',
  path: '/_matrix/federation/v2/send_join/{roomId}/{eventId}',
  auth: 'server',
  rateLimit: 'other',
  params: { roomId: tRoomId, eventId: tEventId },
  query: { omit_members: Type.Optional(Type.Boolean()) },
  body: tJsonObject,
  numbers: 'lossless',

  handle({ params, query, body, origin }, { federation }) {
    return federation.memberships.sentMemberships.join({ ...params, json: body, origin }, query.omit_members ?? false)
  },
})
