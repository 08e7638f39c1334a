/** `GET /_matrix/client/v3/rooms/{roomId}/joined_members`: who is joined, with their profiles. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getJoinedMembersByRoom',
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/joined_members',
  auth: 'user',
  rateLimit: false,
  params: { roomId: tRoomId },

  async handle({ params, caller, signal }, { roomState, federation }) {
    const { partialStates } = federation.memberships
    const read = () => roomState.joinedMembers(caller, params.roomId)
    return { joined: await partialStates.readWhole(params.roomId, signal, read) }
  },
})
