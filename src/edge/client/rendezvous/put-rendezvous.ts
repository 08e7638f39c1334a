/** `PUT /_matrix/client/unstable/org.matrix.msc4108/rendezvous/{sessionId}`: leave something there (MSC4108). */
import { Type } from 'typebox'
import { invalidParam, missingParam } from '#core/matrix-error.ts'
import { Answer } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tText } from '#kit/schemas.ts'
import { PAYLOAD_BYTES_MAX } from '#services/rendezvous/rendezvous-sessions.ts'
import { MSC4108_PATH, sessionHeaders, tokenOfEtag } from '../shared/rendezvous-answers.ts'

const CONFLICT = { errcode: 'M_CONCURRENT_WRITE', error: 'Somebody else has written since' }

export default endpoint({
  spec: null,
  method: 'PUT',
  path: `${MSC4108_PATH}/{sessionId}`,
  auth: 'none',
  rateLimit: 'other',
  params: { sessionId: tText() },
  body: Type.String(),
  bodyFormat: 'text',
  bodyBytesMax: PAYLOAD_BYTES_MAX,
  headers: ['if-match'],
  handle({ params, headers, body }, { rendezvous }) {
    const etag = headers['if-match']
    if (etag === undefined) throw missingParam('The header If-Match is missing')
    const sequenceToken = tokenOfEtag(etag)
    if (sequenceToken === null) throw invalidParam('If-Match must be one strong ETag')
    const { written, session } = rendezvous.put(params.sessionId, { data: body, sequenceToken, txnId: null })
    const common = sessionHeaders(session)
    if (written) return new Answer(202, common, '')
    return new Answer(412, { ...common, 'content-type': 'application/json' }, JSON.stringify(CONFLICT))
  },
})
