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

  async handle({ params, caller }, { roomState }) {
    return { joined: Object.fromEntries(await roomState.joinedMembers(caller, params.roomId)) }
  },
})
