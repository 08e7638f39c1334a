/** `POST /_matrix/client/unstable/io.element.msc4388/rendezvous`: make a place for two devices to meet (MSC4388). */
import { Type } from 'typebox'
import { forbidden } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { MSC4388_PATH } from '../shared/rendezvous-answers.ts'

export default endpoint({
  spec: null,
  method: 'POST',
  path: MSC4388_PATH,
  auth: 'optional',
  rateLimit: 'other',
  body: Type.Object({ data: Type.String() }),
  handle({ body, caller }, { rendezvous, clock }) {
    // "Requires authenticated user: this should be the default."
    if (caller === null || caller.isGuest) throw forbidden('Only users of this server can begin a meeting')
    const { id, sequenceToken, expiresTs } = rendezvous.create(body.data)
    return { id, sequence_token: sequenceToken, expires_in_ms: expiresTs - clock() }
  },
})
