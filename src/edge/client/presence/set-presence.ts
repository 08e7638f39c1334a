/** `PUT /_matrix/client/v3/presence/{userId}/status`: says how one wants to be seen. */
import { Type } from 'typebox'
import { forbidden } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tText, tUserId } from '#kit/schemas.ts'

/** In bytes of UTF-8. */
const STATUS_BYTES_MAX = 1_024

export default endpoint({
  spec: 'setPresence',
  method: 'PUT',
  path: '/_matrix/client/v3/presence/{userId}/status',
  auth: 'user',
  rateLimit: 'presence',
  params: { userId: tUserId },
  body: Type.Object({
    presence: Type.Union([Type.Literal('online'), Type.Literal('offline'), Type.Literal('unavailable')]),
    status_msg: Type.Optional(Type.Union([tText(STATUS_BYTES_MAX), Type.Null()])),
  }),

  async handle({ params, body, caller }, { presence }) {
    if (params.userId !== caller.userId) throw forbidden("You can't set the presence of someone else")
    const status = body.status_msg ?? ''
    presence.set(caller, body.presence, status === '' ? null : status)
    return {}
  },
})
