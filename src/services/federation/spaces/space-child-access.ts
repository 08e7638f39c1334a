/** Who may know of a room that they aren't in: whoever could join it, knock, or read it. */
import type { RoomId, ServerName, UserId } from '#core/ids.ts'
import { serverOf } from '#core/ids.ts'
import type { DetailedSummary } from '#services/federation/spaces/space-room.ts'
import type { ReadTx } from '#store/store.ts'
import type { Membership } from '#store/types/memberships.ts'
import type { UserNid } from '#store/types/users.ts'

export type Viewer = { readonly userId: UserId; readonly userNid: UserNid }

/**
 * Whether a user gets a room's summary. `null` stands for someone without an account here.
 *
 * @param membership the user's in this room
 */
export async function userMayAccess(
  tx: ReadTx,
  summary: DetailedSummary,
  user: Viewer | null,
  membership: Membership | null,
): Promise<boolean> {
  if (membership === 'join' || membership === 'invite' || summary.world_readable) return true
  if (membership === 'ban') return false
  if (isOpen(summary)) return true
  return (
    summary.join_rule === 'restricted' && user !== null && (await isInOneOf(tx, user, summary.allowed_room_ids ?? []))
  )
}

/** Whether a server gets it: some user of it could. Its users in the room itself, or invited, are counted by the caller. */
export async function serverMayAccess(tx: ReadTx, summary: DetailedSummary, server: ServerName): Promise<boolean> {
  if (summary.world_readable || isOpen(summary)) return true
  if (summary.join_rule !== 'restricted') return false
  for (const roomId of summary.allowed_room_ids ?? []) {
    const room = await tx.rooms.byId(roomId)
    if (room !== null && (await tx.rooms.serversIn(room.nid)).has(server)) return true
  }
  return false
}

/** Whether the server has a user who is invited to the room. */
export async function hasInvite(tx: ReadTx, roomId: RoomId, server: ServerName): Promise<boolean> {
  const room = await tx.rooms.byId(roomId)
  if (room === null) return false
  const rows = await tx.memberships.ofRoom(room.nid, ['invite'])
  const users = await tx.users.userIds(rows.map(({ userNid }) => userNid))
  return users.values().some((userId) => serverOf(userId) === server)
}

/** Anybody may join, or ask to: "the room is knockable". The rules see to it that only versions that know them have these. */
function isOpen({ join_rule: rule }: DetailedSummary): boolean {
  return rule === 'public' || rule === 'knock' || rule === 'knock_restricted'
}

async function isInOneOf(tx: ReadTx, user: Viewer, rooms: readonly RoomId[]): Promise<boolean> {
  for (const roomId of rooms) {
    const room = await tx.rooms.byId(roomId)
    const row = room === null ? null : await tx.memberships.one(user.userNid, room.nid)
    if (row?.membership === 'join') return true
  }
  return false
}
