/** `GET /_matrix/client/v3/rooms/{roomId}/state`: the whole state of a room. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomState',
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/state',
  auth: 'user-or-guest',
  rateLimit: false,
  params: { roomId: tRoomId },

  handle({ params, caller, signal }, { roomState, federation }) {
    const { partialStates } = federation.memberships
    return partialStates.readWhole(params.roomId, signal, () => roomState.all(caller, params.roomId))
  },
})
