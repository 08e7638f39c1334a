/** `POST /_matrix/client/v3/rooms/{roomId}/read_markers`: moves the fully read marker, and receipts with it. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tRoomId } from '#kit/schemas.ts'

const TYPES = ['m.fully_read', 'm.read', 'm.read.private'] as const

export default endpoint({
  spec: 'setReadMarker',
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/read_markers',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  body: Type.Object({
    'm.fully_read': Type.Optional(tEventId),
    'm.read': Type.Optional(tEventId),
    'm.read.private': Type.Optional(tEventId),
  }),

  async handle({ params, body, caller }, { receipts }) {
    const markers = TYPES.flatMap((type) => {
      const eventId = body[type]
      return eventId === undefined ? [] : [{ type, eventId, threadId: null }]
    })
    await receipts.mark(caller, params.roomId, markers)
    return {}
  },
})
