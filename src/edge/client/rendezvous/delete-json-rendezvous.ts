/** `DELETE /_matrix/client/unstable/io.element.msc4388/rendezvous/{sessionId}`: end the meeting (MSC4388). */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tText } from '#kit/schemas.ts'
import { MSC4388_PATH } from '../shared/rendezvous-answers.ts'

export default endpoint({
  spec: null,
  method: 'DELETE',
  path: `${MSC4388_PATH}/{sessionId}`,
  auth: 'none',
  rateLimit: 'other',
  params: { sessionId: tText() },
  handle({ params }, { rendezvous }) {
    rendezvous.delete(params.sessionId)
    return empty
  },
})
