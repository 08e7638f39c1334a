/** `POST /_matrix/client/v3/join/{roomIdOrAlias}`: joins a room by its id or one of its aliases. */
import { Type } from 'typebox'
import { roomAndServers, viaQuery } from '#edge/client/shared/room-and-servers.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tRoomIdOrAlias } from '#kit/schemas.ts'

export default endpoint({
  spec: 'joinRoom',
  method: 'POST',
  path: '/_matrix/client/v3/join/{roomIdOrAlias}',
  auth: 'user-or-guest',
  rateLimit: 'joinLocal',
  params: { roomIdOrAlias: tRoomIdOrAlias },
  query: viaQuery,
  body: Type.Object({ reason: Type.Optional(Type.String()), third_party_signed: Type.Optional(tJsonObject) }),
  numbers: 'lossless',

  async handle({ params, query, body, caller }, { federation }) {
    const { reason, third_party_signed: thirdPartySigned } = body
    const { roomId, via } = await roomAndServers(federation, params.roomIdOrAlias, query)
    await federation.memberships.remoteMemberships.join(caller, roomId, { via, reason, thirdPartySigned })
    return { room_id: roomId }
  },
})
