/** `POST /_matrix/client/v3/user/{userId}/filter`: upload a filter. */
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'defineFilter',
  method: 'POST',
  path: '/_matrix/client/v3/user/{userId}/filter',
  auth: 'user-or-guest',
  rateLimit: 'other',
  params: { userId: tUserId },
  body: tJsonObject,
  async handle({ params, body, caller }, { filters }) {
    assertOwn(caller, params.userId)
    return { filter_id: await filters.define(caller, body) }
  },
})
