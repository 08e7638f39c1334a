/** `POST /_matrix/federation/v1/get_missing_events/{roomId}`: what lies between events. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tEventId, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getMissingPreviousEvents',
  method: 'POST',
  path: '/_matrix/federation/v1/get_missing_events/{roomId}',
  auth: 'server',
  rateLimit: false,
  params: { roomId: tRoomId },
  body: Type.Object({
    limit: Type.Optional(tCount),
    min_depth: Type.Optional(tCount),
    earliest_events: Type.Array(tEventId),
    latest_events: Type.Array(tEventId),
  }),

  async handle({ params, body, origin }, { federation }) {
    const events = await federation.reads.eventReads.missingEvents(origin, params.roomId, {
      latest: body.latest_events,
      earliest: body.earliest_events,
      limit: body.limit ?? null,
      minDepth: body.min_depth ?? null,
    })
    return { events }
  },
})
