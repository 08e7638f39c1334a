/** `DELETE /_matrix/client/unstable/org.matrix.msc4108/rendezvous/{sessionId}`: end the meeting (MSC4108). */
import { Answer } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tText } from '#kit/schemas.ts'
import { MSC4108_PATH } from '../shared/rendezvous-answers.ts'

export default endpoint({
  spec: null,
  method: 'DELETE',
  path: `${MSC4108_PATH}/{sessionId}`,
  auth: 'none',
  rateLimit: 'other',
  params: { sessionId: tText() },
  handle({ params }, { rendezvous }) {
    rendezvous.delete(params.sessionId)
    return new Answer(204, {}, '')
  },
})
