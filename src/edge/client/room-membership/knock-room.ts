/** `POST /_matrix/client/v3/knock/{roomIdOrAlias}`: asks to be let into a room. */
import { Type } from 'typebox'
import { roomAndServers, viaQuery } from '#edge/client/shared/room-and-servers.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomIdOrAlias } from '#kit/schemas.ts'

export default endpoint({
  spec: 'knockRoom',
  method: 'POST',
  path: '/_matrix/client/v3/knock/{roomIdOrAlias}',
  auth: 'user',
  rateLimit: 'joinLocal',
  params: { roomIdOrAlias: tRoomIdOrAlias },
  query: viaQuery,
  body: Type.Object({ reason: Type.Optional(Type.String()) }),

  async handle({ params, query, body, caller }, { federation }) {
    const { roomId, via } = await roomAndServers(federation, params.roomIdOrAlias, query)
    await federation.memberships.remoteMemberships.knock(caller, roomId, { via, reason: body.reason })
    return { room_id: roomId }
  },
})
