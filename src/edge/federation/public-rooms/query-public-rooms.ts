/** `POST /_matrix/federation/v1/publicRooms`: this server's list of rooms, filtered, where it is shown to other servers. */
import { checkPublicListIsAllowed } from '#edge/federation/shared/public-list-access.ts'
import { publishedRooms, tRoomsQuery } from '#edge/shared/published-rooms.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'queryPublicRooms',
  method: 'POST',
  path: '/_matrix/federation/v1/publicRooms',
  auth: 'server',
  rateLimit: false,
  body: tRoomsQuery,

  handle({ body }, { rooms, config }) {
    checkPublicListIsAllowed(config)
    return publishedRooms(rooms.directory, body)
  },
})
