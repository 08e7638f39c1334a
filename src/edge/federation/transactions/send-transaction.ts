import { Type } from 'typebox'
import type { JsonObject } from '#core/json/value.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tTransactionId } from '#kit/schemas.ts'

/** Events and ephemeral data of another server. */
export default endpoint({
  spec: 'sendTransaction',
  method: 'PUT',
  path: '/_matrix/federation/v1/send/{txnId}',
  auth: 'server',
  rateLimit: false,
  params: { txnId: tTransactionId },
  body: Type.Object({}, { additionalProperties: true }),
  async handle({ origin, params, body }, { federation }) {
    return federation.transactions.receive(origin, params.txnId, body as JsonObject)
  },
})
