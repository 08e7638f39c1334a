/** `POST /_matrix/client/v3/rooms/{roomId}/invite`: invites a user. */
import { Type } from 'typebox'
import { MatrixError, missingParam } from '#core/matrix-error.ts'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId, tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'inviteUser',
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/invite',
  auth: 'user',
  rateLimit: false,
  params: { roomId: tRoomId },
  body: Type.Object({
    user_id: Type.Optional(tUserId),
    reason: Type.Optional(Type.String()),
    // The other form of this request, which names a third-party identifier.
    medium: Type.Optional(Type.String()),
    address: Type.Optional(Type.String()),
  }),

  async handle({ params, body, caller }, { federation }) {
    if (body.user_id === undefined) {
      if (body.address === undefined) throw missingParam("'user_id' is missing")
      throw new MatrixError(
        'M_SERVER_NOT_TRUSTED',
        'This server asks no identity server, so that it can only invite user ids',
      )
    }
    await federation.memberships.remoteMemberships.invite(caller, params.roomId, body.user_id, body.reason)
    return empty
  },
})
