/** Whether another server may read anything of a room. */
import { type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { forbidden, type MatrixError } from '#core/matrix-error.ts'
import { type HistoryVisibility, readHistoryVisibility } from '#core/visibility.ts'
import { checkServerAcl } from '#services/federation/server-acl.ts'
import type { ReadTx } from '#store/store.ts'
import type { Membership } from '#store/types/memberships.ts'
import type { RoomNid, RoomRow } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** A user of the asking server with a membership in the room, now or once. */
export type ServerUser = { readonly userId: UserId; readonly userNid: UserNid; readonly membership: Membership }

/** A room and the server that asks about it. */
export type ServerRoom = {
  readonly room: RoomRow
  readonly server: ServerName
  /** A user of the server is joined now. */
  readonly isIn: boolean
  /** Its users, those who are joined first. Read on first use: most questions are answered without. */
  users(): Promise<readonly ServerUser[]>
  /** The room's history visibility as of now. */
  readonly visibility: HistoryVisibility
}

/** Memberships in the order in which they are likely to let their server see something. */
const MEMBERSHIPS: readonly Membership[] = ['join', 'invite', 'leave', 'ban', 'knock']

/**
 * The room, for a server that may ask about it: one with users who are or were in it, or any where everybody may read
 * it now. Which of its events that server sees, `ServerVisibility` says.
 *
 * @throws M_FORBIDDEN for all others and those that the room's access control list shuts out, in the same words for
 * rooms that aren't here
 */
export async function roomForServer(tx: ReadTx, roomId: RoomId, server: ServerName): Promise<ServerRoom> {
  const room = await tx.rooms.byId(roomId)
  if (room === null) throw notInRoom()
  await checkServerAcl(tx, room, server)
  let read: Promise<readonly ServerUser[]> | undefined
  const users = () => {
    read ??= usersOfServer(tx, room.nid, server)
    return read
  }
  // Until the whole state is here, the join's answer says who is in the room.
  const isIn = (await tx.rooms.serversIn(room.nid)).has(server) || (room.partial?.servers.includes(server) ?? false)
  const visibility = await currentVisibility(tx, room.nid)
  if (!isIn && visibility !== 'world_readable' && (await users()).length === 0) throw notInRoom()
  return { room, server, isIn, users, visibility }
}

export const notInRoom = (): MatrixError => forbidden('This server is not in the room')

async function usersOfServer(tx: ReadTx, room: RoomNid, server: ServerName): Promise<ServerUser[]> {
  const users: ServerUser[] = []
  for (const membership of MEMBERSHIPS) {
    const rows = await tx.memberships.ofRoom(room, [membership])
    const userIds = await tx.users.userIds(rows.map(({ userNid }) => userNid))
    for (const [userNid, userId] of userIds) {
      if (serverOf(userId) === server) users.push({ userId, userNid, membership })
    }
  }
  return users
}

async function currentVisibility(tx: ReadTx, room: RoomNid): Promise<HistoryVisibility> {
  const nid = await tx.state.currentOne(room, 'm.room.history_visibility', '')
  const event = nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)?.event
  return readHistoryVisibility(event?.content ?? null)
}
