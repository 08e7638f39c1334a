/** `POST /_matrix/client/v3/publicRooms`: this server's list of rooms, or another one's, filtered. */
import { Type } from 'typebox'
import type { JsonObject } from '#core/json/value.ts'
import { otherServer } from '#edge/client/shared/other-server.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tServerName } from '#kit/schemas.ts'

export default endpoint({
  spec: 'queryPublicRooms',
  method: 'POST',
  path: '/_matrix/client/v3/publicRooms',
  auth: 'user',
  rateLimit: 'other',
  query: { server: Type.Optional(tServerName) },
  body: Type.Object({
    limit: Type.Optional(tCount),
    since: Type.Optional(Type.String()),
    filter: Type.Optional(
      Type.Object({
        generic_search_term: Type.Optional(Type.Union([Type.String(), Type.Null()])),
        room_types: Type.Optional(Type.Union([Type.Array(Type.Union([Type.String(), Type.Null()])), Type.Null()])),
      }),
    ),
    include_all_networks: Type.Optional(Type.Boolean()),
    third_party_instance_id: Type.Optional(Type.String()),
  }),

  handle({ query, body }, { rooms, federation, config }) {
    const server = otherServer(query.server, config)
    if (server !== null) {
      const { limit, since, ...search } = body
      return federation.reads.remoteDirectories.list(server, { limit, since, search: search as JsonObject })
    }
    // No network of an application service publishes rooms here.
    if (body.third_party_instance_id !== undefined) return { chunk: [], total_room_count_estimate: 0 }
    return rooms.directory.list({
      limit: body.limit,
      since: body.since,
      searchTerm: body.filter?.generic_search_term ?? undefined,
      roomTypes: body.filter?.room_types ?? undefined,
    })
  },
})
