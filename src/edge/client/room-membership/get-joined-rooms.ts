/** `GET /_matrix/client/v3/joined_rooms`: the rooms that the caller is in. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getJoinedRooms',
  method: 'GET',
  path: '/_matrix/client/v3/joined_rooms',
  auth: 'user',
  rateLimit: false,

  async handle({ caller }, { rooms }) {
    return { joined_rooms: await rooms.memberships.joinedRooms(caller.userNid) }
  },
})
