/** `PUT /_matrix/client/v3/directory/list/room/{roomId}`: puts a room into this server's list, or takes it out. */
import { Type } from 'typebox'
import { badJson } from '#core/matrix-error.ts'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'setRoomVisibilityOnDirectory',
  method: 'PUT',
  path: '/_matrix/client/v3/directory/list/room/{roomId}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  body: Type.Object({
    visibility: Type.Optional(Type.Union([Type.Literal('public'), Type.Literal('private'), Type.Null()])),
  }),

  async handle({ params, body, caller }, { rooms }) {
    // Elsewhere null counts as absent; nobody means by it that a room be shown to everyone.
    if (body.visibility === null) throw badJson("'visibility' must be 'public' or 'private'")
    // "Defaults to `public`."
    await rooms.directory.setVisibility(caller, params.roomId, body.visibility ?? 'public')
    return empty
  },
})
