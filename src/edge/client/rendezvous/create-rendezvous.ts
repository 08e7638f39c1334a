/** `POST /_matrix/client/unstable/org.matrix.msc4108/rendezvous`: make a place for two devices to meet (MSC4108). */
import { Type } from 'typebox'
import { Answer } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { PAYLOAD_BYTES_MAX } from '#services/rendezvous/rendezvous-sessions.ts'
import { MSC4108_PATH, sessionHeaders } from '../shared/rendezvous-answers.ts'

export default endpoint({
  spec: null,
  method: 'POST',
  path: MSC4108_PATH,
  // Who makes a QR code on a new device has no access token yet.
  auth: 'none',
  rateLimit: 'other',
  body: Type.String(),
  bodyFormat: 'text',
  bodyBytesMax: PAYLOAD_BYTES_MAX,
  handle({ body }, { rendezvous, config }) {
    const session = rendezvous.create(body)
    const url = new URL(`${MSC4108_PATH}/${session.id}`, config.public_baseurl).href
    const headers = { ...sessionHeaders(session), 'content-type': 'application/json' }
    return new Answer(201, headers, JSON.stringify({ url }))
  },
})
