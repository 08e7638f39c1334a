/** `GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`: one event of a room's state. */
import { Type } from 'typebox'
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

  handle({ params, query, caller }, { roomState }) {
    const key = { type: params.eventType, stateKey: params.stateKey ?? '' }
    return roomState.one(caller, params.roomId, key, query.format ?? 'content')
  },
})
