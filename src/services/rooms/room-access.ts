import type { UserId } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

export async function isJoined(tx: ReadTx, userId: UserId, room: RoomNid): Promise<boolean> {
  const user = await tx.users.nid(userId)
  const row = user === null ? null : await tx.memberships.one(user, room)
  return row?.membership === 'join'
}

/** Whether the room's history is open to everyone as of now. */
export async function isWorldReadable(tx: ReadTx, room: RoomNid): Promise<boolean> {
  const nid = await tx.state.currentOne(room, 'm.room.history_visibility', '')
  const event = nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)?.event
  return event !== undefined && member(event.content, 'history_visibility') === 'world_readable'
}
