/** `GET /_matrix/federation/v1/publicRooms`: this server's list of rooms, where it is shown to other servers. */
import { checkPublicListIsAllowed } from '#edge/federation/shared/public-list-access.ts'
import { publishedRooms, roomsNetwork, roomsPage } from '#edge/shared/published-rooms.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getPublicRooms',
  method: 'GET',
  path: '/_matrix/federation/v1/publicRooms',
  auth: 'server',
  rateLimit: false,
  query: { ...roomsPage, ...roomsNetwork },

  handle({ query }, { rooms, config }) {
    checkPublicListIsAllowed(config)
    return publishedRooms(rooms.directory, query)
  },
})
