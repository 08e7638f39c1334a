import type { SyncAnswer } from '#services/sync/sync-answer.ts'
import type { RoomView } from '#services/sync/sync-types.ts'
import type { EventRow } from '#store/types/events.ts'
import type { Membership, MembershipRow } from '#store/types/memberships.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** How many log entries are looked at before every joined room is. */
const LOG_ENTRIES_MAX = 5_000

export type RoomChange = {
  readonly section: 'join' | 'invite' | 'knock' | 'leave'
  readonly room: RoomView
  /** The user's member event. */
  readonly member: EventRow
  /** The position at which the membership began. */
  readonly since: number
}

/**
 * The rooms that an answer may have to tell of, most of them quickly found out of the log, and the rooms that the user
 * is joined to now.
 */
export async function roomChanges(answer: SyncAnswer): Promise<{ rooms: RoomChange[]; joined: Set<RoomNid> }> {
  const { tx, request, from } = answer
  const user = request.viewer.userNid
  const isInitial = request.since === null
  const current = await tx.memberships.ofUser(user, ['join', 'invite', 'knock'])
  const gone = isInitial ? await archived(answer) : await leftSince(answer)
  const touched = isInitial || request.fullState ? null : await touchedRooms(answer)

  const wanted: MembershipRow[] = []
  for (const row of current) {
    const began = row.since > from
    if (
      row.membership === 'join'
        ? touched === null || began || touched.has(row.roomNid)
        : isInitial || row.position > from
    )
      wanted.push(row)
  }
  wanted.push(...gone)

  const roomIds = await tx.rooms.roomIds(wanted.map((row) => row.roomNid))
  const members = await tx.events.byNids(wanted.map((row) => row.eventNid))
  const rooms: RoomChange[] = []
  for (const row of wanted) {
    const roomId = roomIds.get(row.roomNid)
    const member = members.get(row.eventNid)
    if (roomId === undefined || member === undefined) continue
    if (row.membership === 'invite' && answer.ignored.has(member.event.sender)) continue
    const view = await viewOf(answer, row)
    rooms.push({
      section: sectionOf(row.membership),
      room: { roomNid: row.roomNid, roomId, ...view },
      member,
      since: row.since,
    })
  }
  return { rooms, joined: new Set(current.filter((row) => row.membership === 'join').map((row) => row.roomNid)) }
}

/** Whether the client gets the room from scratch, and whether it had it before. */
async function viewOf(answer: SyncAnswer, row: MembershipRow): Promise<Pick<RoomView, 'isNew' | 'isRejoin'>> {
  if (answer.request.since === null) return { isNew: true, isRejoin: false }
  const history = await joinsOf(answer, row)
  if (row.membership === 'join' && row.since <= answer.from) return { isNew: false, isRejoin: false }
  // A room left since: the client had it if the user was joined at `from`.
  if (isOutOfBand(row.membership) && history.wasJoinedAtFrom) return { isNew: false, isRejoin: false }
  return { isNew: true, isRejoin: history.wasToldByFrom }
}

async function joinsOf({ tx, request, from }: SyncAnswer, row: MembershipRow) {
  if (row.since <= from) return { wasJoinedAtFrom: row.membership === 'join', wasToldByFrom: true }
  const history = await tx.memberships.history(request.viewer.userNid, row.roomNid)
  const before = history.filter((entry) => entry.position <= from)
  return {
    wasJoinedAtFrom: before.at(-1)?.membership === 'join',
    // Whoever was turned away, or refused, was told of that in a timeline too.
    wasToldByFrom: before.some(({ membership }) => membership === 'join' || isOutOfBand(membership)),
  }
}

/** Rooms left long ago, where the filter wants them (`include_leave`). */
async function archived({ tx, request }: SyncAnswer): Promise<MembershipRow[]> {
  return request.filter.room.includeLeave ? tx.memberships.ofUser(request.viewer.userNid, ['leave', 'ban']) : []
}

/** Rooms left since the last sync. One that was forgotten at once is told of too: the client still shows it. */
async function leftSince({ tx, request, from, to }: SyncAnswer): Promise<MembershipRow[]> {
  const user = request.viewer.userNid
  const gone: MembershipRow[] = []
  for (const row of await tx.memberships.ofUserBetween(user, from, to)) {
    if (!isOutOfBand(row.membership)) continue
    const before = row.forgotten ? await tx.memberships.at(user, row.roomNid, from) : null
    if (!row.forgotten || (before !== null && !isOutOfBand(before.membership))) gone.push(row)
  }
  return gone
}

/** Rooms with news of any kind after `from`; null when there is so much that every room is worth a look. */
async function touchedRooms(answer: SyncAnswer): Promise<Set<RoomNid> | null> {
  const { tx, from, to } = answer
  const entries = await tx.log.between(from, to, LOG_ENTRIES_MAX)
  if (entries.length === LOG_ENTRIES_MAX) return null
  const touched = new Set(answer.roomsWithTyping())
  for (const { roomNid } of entries) if (roomNid !== null) touched.add(roomNid)
  for (const roomId of answer.roomsWithAccountData()) {
    const room = await tx.rooms.byId(roomId)
    if (room !== null) touched.add(room.nid)
  }
  return touched
}

function isOutOfBand(membership: Membership): boolean {
  return membership === 'leave' || membership === 'ban'
}

function sectionOf(membership: Membership): RoomChange['section'] {
  return isOutOfBand(membership) ? 'leave' : (membership as 'join' | 'invite' | 'knock')
}
