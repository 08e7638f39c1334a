/** `PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`: sends an event that isn't state. */
import { Type } from 'typebox'
import { transactionKey } from '#edge/client/shared/transaction-key.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tRoomId, tTransactionId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'sendMessage',
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}',
  auth: 'user-or-guest',
  rateLimit: 'message',
  // How long a type may be is for the event's own limits to say (413).
  params: { roomId: tRoomId, eventType: Type.String({ minLength: 1 }), txnId: tTransactionId },
  body: tJsonObject,
  numbers: 'lossless',

  async handle({ params, body, caller }, { rooms }) {
    const { roomId, eventType: type, txnId } = params
    const transaction = transactionKey(caller, txnId)
    return { event_id: await rooms.sending.send({ roomId, sender: caller, type, content: body, transaction }) }
  },
})
