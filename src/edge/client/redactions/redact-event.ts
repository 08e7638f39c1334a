/** `PUT /_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}`: takes an event's content away. */
import { Type } from 'typebox'
import { transactionKey } from '#edge/client/shared/transaction-key.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tRoomId, tTransactionId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'redactEvent',
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}',
  auth: 'user',
  rateLimit: 'message',
  params: { roomId: tRoomId, eventId: tEventId, txnId: tTransactionId },
  body: Type.Object({ reason: Type.Optional(Type.String()) }),

  async handle({ params, body, caller }, { rooms }) {
    const eventId = await rooms.sending.send({
      roomId: params.roomId,
      sender: caller,
      type: 'm.room.redaction',
      content: body.reason === undefined ? {} : { reason: body.reason },
      redacts: params.eventId,
      transaction: transactionKey(caller, params.txnId),
    })
    return { event_id: eventId }
  },
})
