import { Type } from 'typebox'
import type { JsonObject } from '#core/json/value.ts'
import { endpoint } from '#kit/endpoint.ts'

/** Events and ephemeral data of another server. */
export default endpoint({
  spec: 'sendTransaction',
  method: 'PUT',
  path: '/_matrix/federation/v1/send/{txnId}',
  auth: 'server',
  rateLimit: false,
  params: { txnId: Type.String({ minLength: 1, maxLength: 255 }) },
  body: Type.Object({}, { additionalProperties: true }),
  async handle({ origin, params, body }, { federation }) {
    return federation.transactions.receive(origin, params.txnId, body as JsonObject)
  },
})
