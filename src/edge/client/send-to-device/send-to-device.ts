/** `PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}`: sends messages to devices. */
import { Type } from 'typebox'
import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { invalidParam } from '#core/matrix-error.ts'
import { byUserId, KEYS_BODY_BYTES_MAX } from '#edge/client/shared/key-schemas.ts'
import { transactionKey } from '#edge/client/shared/transaction-key.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventType, tJsonObject, tTransactionId } from '#kit/schemas.ts'
import { isDeviceIdText } from '#services/e2ee/to-device.ts'

export default endpoint({
  spec: 'sendToDevice',
  method: 'PUT',
  path: '/_matrix/client/v3/sendToDevice/{eventType}/{txnId}',
  auth: 'user-or-guest',
  rateLimit: 'keyRequest',
  params: { eventType: tEventType, txnId: tTransactionId },
  body: Type.Object({ messages: Type.Record(Type.String(), Type.Record(Type.String(), tJsonObject)) }),
  numbers: 'lossless',
  bodyBytesMax: KEYS_BODY_BYTES_MAX,

  async handle({ params, body, caller }, { toDevice }) {
    const { eventType, txnId } = params
    await toDevice.send({
      sender: caller.userId,
      transaction: { ...transactionKey(caller, txnId), eventType },
      contents: contentsOf(body.messages),
    })
    return {}
  },
})

function contentsOf(messages: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>) {
  const contents = new Map<UserId, ReadonlyMap<string, JsonObject>>()
  for (const [userId, devices] of byUserId(messages)) {
    if (!userId.isWellFormed()) throw invalidParam('Not a user id')
    for (const deviceId of Object.keys(devices)) {
      if (!isDeviceIdText(deviceId)) throw invalidParam('Not a device id')
    }
    contents.set(userId, new Map(Object.entries(devices)))
  }
  return contents
}
