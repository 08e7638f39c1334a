/** `POST /_matrix/client/v3/createRoom`: makes a room. */
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'createRoom',
  method: 'POST',
  path: '/_matrix/client/v3/createRoom',
  auth: 'user',
  rateLimit: 'roomCreation',
  body: Type.Object({
    visibility: Type.Optional(Type.Union([Type.Literal('public'), Type.Literal('private')])),
    preset: Type.Optional(
      Type.Union([Type.Literal('private_chat'), Type.Literal('public_chat'), Type.Literal('trusted_private_chat')]),
    ),
    room_alias_name: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    topic: Type.Optional(Type.String()),
    invite: Type.Optional(Type.Array(tUserId)),
    invite_3pid: Type.Optional(Type.Array(tJsonObject)),
    room_version: Type.Optional(Type.String()),
    creation_content: Type.Optional(tJsonObject),
    initial_state: Type.Optional(
      Type.Array(Type.Object({ type: Type.String(), state_key: Type.Optional(Type.String()), content: tJsonObject })),
    ),
    is_direct: Type.Optional(Type.Boolean()),
    power_level_content_override: Type.Optional(tJsonObject),
  }),
  numbers: 'lossless',

  async handle({ body, caller }, { rooms, federation }) {
    const { invite_3pid: thirdParties = [], ...request } = body
    if (thirdParties.length > 0) {
      throw new MatrixError(
        'M_SERVER_NOT_TRUSTED',
        'This server asks no identity server, so that it can only invite user ids',
      )
    }
    const roomId = await rooms.creation.create(caller.userId, request)
    const { invite = [], is_direct: isDirect } = request
    await federation.memberships.remoteMemberships.inviteToNewRoom(caller.userId, roomId, invite, isDirect)
    return { room_id: roomId }
  },
})
