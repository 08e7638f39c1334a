/** `GET /_matrix/client/v3/publicRooms`: this server's list of rooms, or another one's. */
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { refuseGuest } from '#edge/client/shared/authorized-user.ts'
import { otherServer } from '#edge/client/shared/other-server.ts'
import { publishedRooms, roomsPage } from '#edge/shared/published-rooms.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tServerName } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getPublicRooms',
  method: 'GET',
  path: '/_matrix/client/v3/publicRooms',
  // NOTSPEC: the specification asks for no token; whether this server does is a setting, and by default it does.
  auth: 'optional',
  rateLimit: 'other',
  query: { ...roomsPage, server: Type.Optional(tServerName) },

  handle({ query, caller }, { rooms, federation, config }) {
    if (caller === null && !config.rooms.public_list_without_auth) {
      throw new MatrixError('M_MISSING_TOKEN', 'The list of rooms is for users of this server')
    }
    refuseGuest(caller)
    const { server: asked, ...page } = query
    const server = otherServer(asked, config)
    if (server === null) return publishedRooms(rooms.directory, page)
    // Other servers are asked for users alone.
    if (caller === null) throw new MatrixError('M_MISSING_TOKEN', 'Lists of other servers are for users of this server')
    return federation.reads.remoteDirectories.list(server, page)
  },
})
