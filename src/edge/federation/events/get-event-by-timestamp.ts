/** `GET /_matrix/federation/v1/timestamp_to_event/{roomId}`: the event closest to a time, in a direction. */
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tDirection, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getEventByTimestamp',
  method: 'GET',
  path: '/_matrix/federation/v1/timestamp_to_event/{roomId}',
  auth: 'server',
  rateLimit: false,
  params: { roomId: tRoomId },
  query: { ts: tCount, dir: tDirection },

  handle({ params, query, origin }, { federation }) {
    return federation.reads.eventReads.eventNearTime(
      origin,
      params.roomId,
      query.ts,
      query.dir === 'f' ? 'forwards' : 'backwards',
    )
  },
})
