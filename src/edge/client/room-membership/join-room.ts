/** `POST /_matrix/client/v3/join/{roomIdOrAlias}`: joins a room by its id or one of its aliases. */
import { Type } from 'typebox'
import type { JsonObject } from '#core/json/value.ts'
import { roomAndServers, viaQuery } from '#edge/client/shared/room-and-servers.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tRoomIdOrAlias } from '#kit/schemas.ts'
import { joinContent } from '#services/rooms/members/member-content.ts'

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
    const { roomId, via } = await roomAndServers(federation, params.roomIdOrAlias, query)
    const request = { via, content: joinContent(body as JsonObject), thirdPartySigned: body.third_party_signed }
    await federation.memberships.remoteMemberships.join(caller, roomId, request)
    return { room_id: roomId }
  },
})
