/** `GET /_matrix/client/v1/room_summary/{roomIdOrAlias}`: what a room shows of itself to those who could join it. */
import { Type } from 'typebox'
import type { RoomAlias, RoomId } from '#core/ids.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomIdOrAlias, tServerName } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomSummary',
  method: 'GET',
  path: [
    '/_matrix/client/v1/room_summary/{roomIdOrAlias}',
    '/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}',
  ],
  auth: 'optional',
  rateLimit: 'other',
  params: { roomIdOrAlias: tRoomIdOrAlias },
  query: { via: Type.Optional(Type.Array(tServerName, { maxItems: 20 })) },

  async handle({ params: { roomIdOrAlias }, query, caller }, { federation, rooms }) {
    const { remoteAliases, roomLookup } = federation.reads
    const via = query.via ?? []
    if (!roomIdOrAlias.startsWith('#')) return roomLookup.summary(caller, roomIdOrAlias as RoomId, via)
    const alias = roomIdOrAlias as RoomAlias
    // Other servers are asked for users alone.
    if (caller === null) return roomLookup.summary(null, await rooms.aliases.roomIdOf(alias), via)
    const { room_id: roomId, servers } = await remoteAliases.resolve(alias)
    return roomLookup.summary(caller, roomId, [...via, ...servers])
  },
})
