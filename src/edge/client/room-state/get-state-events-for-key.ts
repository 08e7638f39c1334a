/** `GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`: one event of a room's state. */
import { Type } from 'typebox'
import { notFound } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventType, tRoomId, tStateKey } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomStateWithKey',
  method: 'GET',
  path: [
    '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}',
    // "When an empty string, the trailing slash on this endpoint is optional."
    '/_matrix/client/v3/rooms/{roomId}/state/{eventType}',
  ],
  auth: 'user-or-guest',
  rateLimit: false,
  params: { roomId: tRoomId, eventType: tEventType, stateKey: Type.Optional(tStateKey) },
  query: { format: Type.Optional(Type.Union([Type.Literal('content'), Type.Literal('event')])) },

  async handle({ params, query, caller, signal }, { roomState, federation }) {
    const { roomId, eventType: type, stateKey = '' } = params
    const read = () => roomState.one(caller, roomId, { type, stateKey }, query.format ?? 'content')
    const known = await read()
    // Of a room that was joined just now the members may not be here yet.
    const { partialStates } = federation.memberships
    const event = known ?? (type === 'm.room.member' ? await partialStates.readWhole(roomId, signal, read) : null)
    if (event === null) throw notFound('The room has no state with this type and key')
    return event
  },
})
