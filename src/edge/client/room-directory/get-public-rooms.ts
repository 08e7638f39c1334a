/** `GET /_matrix/client/v3/publicRooms`: this server's list of rooms. */
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { refuseGuest } from '#edge/client/shared/authorized-user.ts'
import { checkListOfThisServer } from '#edge/client/shared/own-directory.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tServerName } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getPublicRooms',
  method: 'GET',
  path: '/_matrix/client/v3/publicRooms',
  // NOTSPEC: the specification asks for no token; whether this server does is a setting, and by default it does.
  auth: 'optional',
  rateLimit: 'other',
  query: {
    limit: Type.Optional(tCount),
    since: Type.Optional(Type.String()),
    server: Type.Optional(tServerName),
  },

  handle({ query, caller }, { rooms, config }) {
    if (caller === null && !config.rooms.public_list_without_auth) {
      throw new MatrixError('M_MISSING_TOKEN', 'The list of rooms is for users of this server')
    }
    refuseGuest(caller)
    checkListOfThisServer(query.server, config)
    return rooms.directory.list({ limit: query.limit, since: query.since })
  },
})
