/** `GET /_matrix/federation/v1/publicRooms`: this server's list of rooms, where it is shown to other servers. */
import { Type } from 'typebox'
import { checkListIsShown } from '#edge/federation/shared/shown-list.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getPublicRooms',
  method: 'GET',
  path: '/_matrix/federation/v1/publicRooms',
  auth: 'server',
  rateLimit: false,
  query: {
    limit: Type.Optional(tCount),
    since: Type.Optional(Type.String()),
    include_all_networks: Type.Optional(Type.Boolean()),
    third_party_instance_id: Type.Optional(Type.String()),
  },

  handle({ query }, { rooms, config }) {
    checkListIsShown(config)
    // No network of an application service publishes rooms here.
    if (query.third_party_instance_id !== undefined) return { chunk: [], total_room_count_estimate: 0 }
    return rooms.directory.list({ limit: query.limit, since: query.since })
  },
})
