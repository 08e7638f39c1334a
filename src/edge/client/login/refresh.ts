/** `POST /_matrix/client/v3/refresh`: a new access token for a refresh token. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tokensAnswer } from '../shared/session-answer.ts'

export default endpoint({
  spec: 'refresh',
  method: 'POST',
  path: '/_matrix/client/v3/refresh',
  auth: 'none',
  rateLimit: 'other',
  body: Type.Object({ refresh_token: Type.String() }),
  handle: async ({ body }, { sessions }) => tokensAnswer(await sessions.refresh(body.refresh_token)),
})
