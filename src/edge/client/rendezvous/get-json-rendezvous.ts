/** `GET /_matrix/client/unstable/io.element.msc4388/rendezvous/{sessionId}`: what was left there last (MSC4388). */
import { endpoint } from '#kit/endpoint.ts'
import { tText } from '#kit/schemas.ts'
import { FETCH_MODE, MSC4388_PATH, refuseNavigation } from '../shared/rendezvous-answers.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: `${MSC4388_PATH}/{sessionId}`,
  auth: 'none',
  rateLimit: 'other',
  params: { sessionId: tText() },
  headers: [FETCH_MODE],
  handle({ params, headers }, { rendezvous, clock }) {
    refuseNavigation(headers[FETCH_MODE])
    const { data, sequenceToken, expiresTs } = rendezvous.get(params.sessionId)
    return { data, sequence_token: sequenceToken, expires_in_ms: expiresTs - clock() }
  },
})
