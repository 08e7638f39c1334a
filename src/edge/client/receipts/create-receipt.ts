/** `POST /_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}`: says how far one has read. */
import { Type } from 'typebox'
import { invalidParam } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tJson, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'postReceipt',
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}',
  auth: 'user',
  rateLimit: 'other',
  params: {
    roomId: tRoomId,
    receiptType: Type.Union([Type.Literal('m.read'), Type.Literal('m.read.private'), Type.Literal('m.fully_read')]),
    eventId: tEventId,
  },
  body: Type.Object({ thread_id: Type.Optional(tJson) }),

  async handle({ params, body, caller }, { receipts, presence }) {
    const threadId = body.thread_id ?? null
    if ('thread_id' in body && (typeof threadId !== 'string' || threadId === '')) {
      throw invalidParam('thread_id must be a non-empty string')
    }
    const { receiptType: type, eventId } = params
    await receipts.mark(caller, params.roomId, [{ type, eventId, threadId: threadId as string | null }])
    presence.active(caller)
    return {}
  },
})
