import type { ServerName } from '#core/ids.ts'
import { isAllowedByAcl } from '#services/federation/server-acl.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** Servers that an answer names, at most. */
const SERVERS_MAX = 50

/** Servers that are in the room and may be, this one first, then those with the most users there. */
export async function residentServers(tx: ReadTx, room: RoomRow, own: ServerName): Promise<ServerName[]> {
  const counts = new Map<ServerName, number>(room.partial?.servers.map((server) => [server, 1]))
  for (const [server, joined] of await tx.rooms.serversIn(room.nid)) counts.set(server, joined)
  const bySize = [...counts].toSorted((a, b) => b[1] - a[1]).map(([server]) => server)
  const servers = [...bySize.filter((server) => server === own), ...bySize.filter((server) => server !== own)]
  const allowed: ServerName[] = []
  for (const server of servers) {
    if (allowed.length === SERVERS_MAX) break
    if (await isAllowedByAcl(tx, room.nid, server)) allowed.push(server)
  }
  return allowed
}
