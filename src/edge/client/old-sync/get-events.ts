/**
 * `GET /_matrix/client/v3/events`: waits for events, as clients did before `/sync`; with `room_id` in a room that one
 * need not be in (the specification's `peekEvents`).
 */
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getEvents',
  method: 'GET',
  path: '/_matrix/client/v3/events',
  auth: 'user-or-guest',
  rateLimit: false,
  longPoll: true,
  query: { from: Type.Optional(Type.String()), timeout: Type.Optional(tCount), room_id: Type.Optional(tRoomId) },

  handle({ query, caller, signal }, { eventStream }) {
    // Guests may use it "as used for room previews".
    if (caller.isGuest && query.room_id === undefined) {
      throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests must name a room_id')
    }
    const request = {
      viewer: caller,
      from: query.from ?? null,
      timeoutMs: query.timeout ?? 0,
      roomId: query.room_id ?? null,
    }
    return eventStream.listen(request, signal)
  },
})
