/** `PUT /_matrix/client/unstable/io.element.msc4388/rendezvous/{sessionId}/{txnId}`: leave something there (MSC4388). */
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tOpaqueId, tText } from '#kit/schemas.ts'
import { MSC4388_PATH } from '../shared/rendezvous-answers.ts'

export default endpoint({
  spec: null,
  method: 'PUT',
  // Before transactions were added to the proposal, the path ended with the session.
  path: [`${MSC4388_PATH}/{sessionId}/{txnId}`, `${MSC4388_PATH}/{sessionId}`],
  auth: 'none',
  rateLimit: 'other',
  params: { sessionId: tText(), txnId: Type.Optional(tOpaqueId) },
  body: Type.Object({ sequence_token: Type.String(), data: Type.String() }),
  handle({ params, body }, { rendezvous }) {
    const { written, session } = rendezvous.put(params.sessionId, {
      data: body.data,
      sequenceToken: body.sequence_token,
      txnId: params.txnId ?? null,
    })
    if (written) return { sequence_token: session.sequenceToken }
    throw new MatrixError('IO_ELEMENT_MSC4388_CONCURRENT_WRITE', 'Somebody else has written since', { status: 409 })
  },
})
