/** `GET /_matrix/client/v3/user/{userId}/filter/{filterId}`: an uploaded filter. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'
import { assertOwn } from '../shared/own-user.ts'

export default endpoint({
  spec: 'getFilter',
  method: 'GET',
  path: '/_matrix/client/v3/user/{userId}/filter/{filterId}',
  auth: 'user-or-guest',
  rateLimit: false,
  params: { userId: tUserId, filterId: Type.String() },
  handle({ params, caller }, { filters }) {
    assertOwn(caller, params.userId)
    return filters.definition(caller, params.filterId)
  },
})
