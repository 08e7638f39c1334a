/** Whom other servers may speak of in their EDUs. */
import { isUserId, type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { JsonValue } from '#core/json/value.ts'
import { isAllowedByAcl } from '#services/federation/server-acl.ts'
import type { ReadTx } from '#store/store.ts'

/** Whether this is the id of a user of the server: all that it may speak for. */
export function isUserOf(userId: JsonValue | undefined, server: ServerName): userId is UserId {
  return typeof userId === 'string' && isUserId(userId) && serverOf(userId) === server
}

/** The room, if this server is in it, the user too, and the room doesn't shut the other server out. */
export async function joinedRoom(tx: ReadTx, roomId: RoomId, userId: UserId, origin: ServerName) {
  const room = await tx.rooms.byId(roomId)
  if (room === null || !room.isResident) return null
  const user = await tx.users.nid(userId)
  const membership = user === null ? null : await tx.memberships.one(user, room.nid)
  if (membership?.membership !== 'join' || !(await isAllowedByAcl(tx, room.nid, origin))) return null
  return room.nid
}
