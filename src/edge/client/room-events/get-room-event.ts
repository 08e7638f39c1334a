/** `GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}`: one event. */
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getOneRoomEvent',
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/event/{eventId}',
  auth: 'user-or-guest',
  rateLimit: false,
  params: { roomId: tRoomId, eventId: tEventId },

  handle({ params, caller }, { timeline }) {
    return timeline.event(caller, params.roomId, params.eventId)
  },
})
