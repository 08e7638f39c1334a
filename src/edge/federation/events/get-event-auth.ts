/** `GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}`: what authorises an event, and that in turn. */
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getEventAuth',
  method: 'GET',
  path: '/_matrix/federation/v1/event_auth/{roomId}/{eventId}',
  auth: 'server',
  rateLimit: false,
  params: { roomId: tRoomId, eventId: tEventId },

  async handle({ params, origin }, { federation }) {
    return { auth_chain: await federation.reads.stateReads.eventAuth(origin, params.roomId, params.eventId) }
  },
})
