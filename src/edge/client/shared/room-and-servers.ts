/** Which room a client means, and by way of which servers it may be reached. */
import { Type } from 'typebox'
import type { RoomAlias, RoomId, ServerName } from '#core/ids.ts'
import { isServerName } from '#core/server-name.ts'
import type { Services } from '#kit/services.ts'

/** Both names of one parameter, the older of which is deprecated. */
export const viaQuery = {
  via: Type.Optional(Type.Array(Type.String())),
  server_name: Type.Optional(Type.Array(Type.String())),
}

type ViaQuery = { readonly via?: readonly string[]; readonly server_name?: readonly string[] }

/** @throws M_NOT_FOUND for an alias that stands for no room; 502 where its server can't be asked */
export async function roomAndServers(
  federation: Services['federation'],
  roomIdOrAlias: RoomId | RoomAlias,
  query: ViaQuery,
): Promise<{ readonly roomId: RoomId; readonly via: readonly ServerName[] }> {
  // What is no server name can't be asked.
  const named = [...(query.via ?? []), ...(query.server_name ?? [])].filter((name) => isServerName(name))
  if (!roomIdOrAlias.startsWith('#')) return { roomId: roomIdOrAlias as RoomId, via: named }
  const { room_id: roomId, servers } = await federation.reads.remoteAliases.resolve(roomIdOrAlias as RoomAlias)
  return { roomId, via: [...named, ...servers] }
}
