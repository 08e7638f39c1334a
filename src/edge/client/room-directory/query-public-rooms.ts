/** `POST /_matrix/client/v3/publicRooms`: this server's list of rooms, or another one's, filtered. */
import { Type } from 'typebox'
import type { JsonObject } from '#core/json/value.ts'
import { otherServer } from '#edge/client/shared/other-server.ts'
import { publishedRooms, tRoomsQuery } from '#edge/shared/published-rooms.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tServerName } from '#kit/schemas.ts'

export default endpoint({
  spec: 'queryPublicRooms',
  method: 'POST',
  path: '/_matrix/client/v3/publicRooms',
  auth: 'user',
  rateLimit: 'other',
  query: { server: Type.Optional(tServerName) },
  body: tRoomsQuery,

  handle({ query, body }, { rooms, federation, config }) {
    const server = otherServer(query.server, config)
    if (server === null) return publishedRooms(rooms.directory, body)
    const { limit, since, ...search } = body
    return federation.reads.remoteDirectories.list(server, { limit, since, search: search as JsonObject })
  },
})
