/** `GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event`: the event closest to a time, in a direction. */
import { directionOf } from '#edge/client/shared/direction.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tDirection, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getEventByTimestamp',
  method: 'GET',
  path: '/_matrix/client/v1/rooms/{roomId}/timestamp_to_event',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  query: { ts: tCount, dir: tDirection },

  handle({ params, query, caller }, { federation }) {
    return federation.reads.roomHistory.eventNearTime(caller, params.roomId, query.ts, directionOf(query.dir))
  },
})
