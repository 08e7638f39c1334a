/** `GET /_matrix/client/unstable/org.matrix.msc4108/rendezvous/{sessionId}`: what was left there last (MSC4108). */
import { Answer } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tText } from '#kit/schemas.ts'
import {
  FETCH_MODE,
  MSC4108_PATH,
  refuseNavigation,
  sessionHeaders,
  tokenOfEtag,
} from '../shared/rendezvous-answers.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: `${MSC4108_PATH}/{sessionId}`,
  auth: 'none',
  rateLimit: 'other',
  params: { sessionId: tText() },
  headers: ['if-none-match', FETCH_MODE],
  handle({ params, headers }, { rendezvous }) {
    refuseNavigation(headers[FETCH_MODE])
    const session = rendezvous.get(params.sessionId)
    const seen = headers['if-none-match']
    const common = sessionHeaders(session)
    if (seen !== undefined && tokenOfEtag(seen) === session.sequenceToken) return new Answer(304, common, '')
    return new Answer(200, { ...common, 'content-type': 'text/plain' }, session.data)
  },
})
