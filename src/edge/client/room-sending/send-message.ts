/** `PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`: sends an event that isn't state. */
import { transactionKey } from '#edge/client/shared/transaction-key.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tNewEventType, tRoomId, tTransactionId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'sendMessage',
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}',
  auth: 'user-or-guest',
  rateLimit: 'message',
  params: { roomId: tRoomId, eventType: tNewEventType, txnId: tTransactionId },
  body: tJsonObject,
  numbers: 'lossless',

  async handle({ params, body, caller }, { rooms, presence }) {
    const { roomId, eventType: type, txnId } = params
    const transaction = transactionKey(caller, txnId)
    const eventId = await rooms.sending.send({ roomId, sender: caller, type, content: body, transaction })
    presence.active(caller)
    return { event_id: eventId }
  },
})
