import type { RoomId, ServerName } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { checkServerAcl } from '#services/federation/server-acl.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/**
 * The room, for another server that wants to change the membership of one of its users by way of this one.
 *
 * @throws M_NOT_FOUND for a room that this server isn't in, or whose state it doesn't know fully yet: another server
 *   can do it; M_FORBIDDEN for servers that the room shuts out
 */
export async function checkResident(tx: ReadTx, roomId: RoomId, origin: ServerName): Promise<RoomRow> {
  const room = await tx.rooms.byId(roomId)
  if (room === null || !room.isResident) throw new MatrixError('M_NOT_FOUND', 'This server is not in the room')
  if (room.partial !== null) throw new MatrixError('M_NOT_FOUND', 'This server is still joining the room')
  await checkServerAcl(tx, room, origin)
  return room
}
