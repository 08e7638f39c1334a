import type { RoomId } from '#core/ids.ts'
import { forbidden } from '#core/matrix-error.ts'
import { readHistoryVisibility } from '#core/visibility.ts'
import { type Reader, visibleEvents } from '#services/timeline/visible-events.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'
import type { Membership } from '#store/types/memberships.ts'
import type { RoomRow } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/** What one user may read of one room. */
export type RoomAccess = {
  readonly room: RoomRow
  /** The user's membership now; null without one and for a room that they forgot. */
  readonly membership: Membership | null
  /** By whose eyes events are judged; null for those of a stranger, who sees what is world-readable. */
  readonly reader: Reader | null
  /** The state that the user may see: the current one, or that of the room when they left. */
  readonly stateId: StateId
  /** The last stream position that the user may read up to: where they left, or infinity. */
  readonly until: number
  /** The same in ranks: history that was backfilled later has those only. */
  readonly untilRank: number
}

/**
 * What the user may read of the room: everybody who is or was joined may read something, and everybody may where the
 * room is world-readable now. Which events, `readableEvents` says.
 *
 * @throws M_FORBIDDEN for all others, in the same words for rooms that don't exist
 */
export async function accessToRoom(tx: ReadTx, roomId: RoomId, user: Reader): Promise<RoomAccess> {
  const access = await findAccess(tx, roomId, user)
  if (access === null) throw forbidden("You aren't a member of the room")
  return access
}

/** As `accessToRoom`, with null for "forbidden". */
export async function findAccess(tx: ReadTx, roomId: RoomId, user: Reader): Promise<RoomAccess | null> {
  const room = await tx.rooms.byId(roomId)
  if (room === null) return null
  const row = await tx.memberships.one(user.userNid, room.nid)
  const membership = row === null || row.forgotten ? null : row.membership
  const endless = { until: Number.POSITIVE_INFINITY, untilRank: Number.POSITIVE_INFINITY }
  const whole = { room, membership, stateId: room.stateId, ...endless }
  if (membership === 'join') return { ...whole, reader: user }
  const isOpen = await isWorldReadable(tx, room)
  const leftAt = membership === null ? null : await lastLeaving(tx, room, user)
  if (leftAt === null) return isOpen ? { ...whole, reader: null } : null
  // "If the user has left the room then the state is taken from the state of the room when they left."
  const stateId = await tx.state.at(room.nid, leftAt)
  if (isOpen) return { ...whole, reader: user, stateId }
  return { ...whole, reader: user, stateId, until: leftAt, untilRank: await tx.events.rankAt(room.nid, leftAt) }
}

/** As `accessToRoom`, for what only joined members may do. @throws M_FORBIDDEN */
export async function accessOfJoined(tx: ReadTx, roomId: RoomId, user: Reader): Promise<RoomAccess> {
  const access = await findAccess(tx, roomId, user)
  if (access?.membership !== 'join') throw forbidden('You are not joined to the room')
  return access
}

/** Those of the room's events that may be read, in their order. */
export async function readableEvents(tx: ReadTx, access: RoomAccess, rows: readonly EventRow[]): Promise<EventRow[]> {
  const inTime = rows.filter(
    (row) =>
      row.roomNid === access.room.nid &&
      row.rank !== null &&
      !row.rejected &&
      !row.softFailed &&
      !row.unapplied &&
      row.rank <= access.untilRank,
  )
  return visibleEvents(tx, inTime, access.reader)
}

async function isWorldReadable(tx: ReadTx, room: RoomRow): Promise<boolean> {
  const nid = await tx.state.get(room.stateId, 'm.room.history_visibility', '')
  const event = nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)
  return event !== undefined && readHistoryVisibility(event.event.content) === 'world_readable'
}

/** Where the user's last joined membership ended: a later ban or invitation changes nothing. Null if never joined. */
async function lastLeaving(tx: ReadTx, room: RoomRow, user: Reader): Promise<number | null> {
  const history = await tx.memberships.history(user.userNid, room.nid)
  const joined = history.findLastIndex((entry) => entry.membership === 'join')
  return joined === -1 ? null : (history[joined + 1]?.position ?? null)
}
