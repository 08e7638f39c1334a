/** `POST /_matrix/federation/v1/publicRooms`: this server's list of rooms, filtered, where it is shown to other servers. */
import { Type } from 'typebox'
import { checkListIsShown } from '#edge/federation/shared/shown-list.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount } from '#kit/schemas.ts'

export default endpoint({
  spec: 'queryPublicRooms',
  method: 'POST',
  path: '/_matrix/federation/v1/publicRooms',
  auth: 'server',
  rateLimit: false,
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

  handle({ body }, { rooms, config }) {
    checkListIsShown(config)
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
