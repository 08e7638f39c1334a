import type { RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { accountDataChanges } from '#services/account-data/account-data-feed.ts'
import { receiptUpdates } from '#services/receipts/receipt-events.ts'
import { ignoredBy } from '#services/timeline/ignored-users.ts'
import { findAccess, type RoomAccess, readableEvents } from '#services/timeline/room-access.ts'
import type { Reader } from '#services/timeline/visible-events.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'
import type { LogEntry } from '#store/types/log.ts'
import type { MembershipRow } from '#store/types/memberships.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** How many log entries, or events of one room, one answer covers; the next one goes on from there. */
export const ENTRIES_PER_ANSWER_MAX = 500

/** A stretch of the log: `from < position ≤ to`. */
export type Stretch = { readonly from: number; readonly to: number }

export type LiveUpdates = {
  /** Room events, in the order in which they came. */
  readonly rows: readonly EventRow[]
  /** What isn't an event of a room: receipts and account data, in the form in which clients get it. */
  readonly others: readonly JsonObject[]
}

/** What the rooms that a user is in, and the user's own account data, have to tell. */
export async function updatesOfUser(
  tx: ReadTx,
  user: Reader,
  stretch: Stretch,
  entries: readonly LogEntry[],
): Promise<LiveUpdates> {
  const rows: EventRow[] = []
  const others: JsonObject[] = []
  const ignored = await ignoredBy(tx, user.userNid)
  for (const roomNid of roomsIn(entries, 'event').union(roomsIn(entries, 'membership'))) {
    const row = await tx.memberships.one(user.userNid, roomNid)
    if (row === null || row.forgotten) continue
    const events = await eventsForMember(tx, user, row, stretch)
    rows.push(...events.filter((event) => !isIgnored(event, user.userId, ignored)))
  }
  for (const roomNid of roomsIn(entries, 'receipt')) {
    const row = await tx.memberships.one(user.userNid, roomNid)
    if (row?.membership !== 'join') continue
    others.push(...(await inRoom(tx, roomNid, await receiptUpdates(tx, roomNid, user.userNid, stretch))))
  }
  for (const { type, content, roomId } of await accountDataChanges(tx, user, stretch.from, stretch.to)) {
    others.push({ type, content, ...(roomId === null ? {} : { room_id: roomId }) })
  }
  return { rows: rows.toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0)), others }
}

/** The readable events of one room in a stretch of the log, and how far they reach when there are too many for one answer. */
export async function eventsOfRoom(
  tx: ReadTx,
  access: RoomAccess,
  { from, to }: Stretch,
): Promise<{ readonly rows: EventRow[]; readonly to: number }> {
  const { nid } = access.room
  const page = await tx.events.timeline({
    room: nid,
    direction: 'forwards',
    afterRank: await tx.events.rankAt(nid, from),
    untilPosition: Math.min(to, access.until),
    limit: ENTRIES_PER_ANSWER_MAX,
  })
  const rows = await readableEvents(
    tx,
    access,
    page.filter(({ position }) => position !== null && position > from),
  )
  const reached = page.length < ENTRIES_PER_ANSWER_MAX ? to : (page.at(-1)?.position ?? to)
  const late = await tx.events.lateRedactions(nid, from, Math.min(reached, access.until), ENTRIES_PER_ANSWER_MAX)
  const isOld = ({ position }: EventRow) => position !== null && position <= from
  return { rows: [...rows, ...(await readableEvents(tx, access, late.filter(isOld)))], to: reached }
}

/** Ephemeral events are named with their room here, since no section of the answer does. */
export async function inRoom(tx: ReadTx, roomNid: RoomNid, events: readonly JsonObject[]): Promise<JsonObject[]> {
  const roomId = (await tx.rooms.roomIds([roomNid])).get(roomNid)
  return roomId === undefined ? [] : events.map((event) => ({ ...event, room_id: roomId satisfies RoomId }))
}

/**
 * Of a room that the user is in, what came since they joined; of one that they left meanwhile, what came before. Their
 * own invitation, knock or leaving they learn of in any case.
 */
async function eventsForMember(tx: ReadTx, user: Reader, row: MembershipRow, stretch: Stretch): Promise<EventRow[]> {
  const isNew = row.position > stretch.from && row.position <= stretch.to
  if (row.membership !== 'join' && !isNew) return []
  const roomId = (await tx.rooms.roomIds([row.roomNid])).get(row.roomNid)
  const access = roomId === undefined ? null : await findAccess(tx, roomId, user)
  const mayRead = access !== null && row.membership !== 'invite' && row.membership !== 'knock'
  const readable = mayRead ? (await eventsOfRoom(tx, access, stretch)).rows : []
  const events = readable.filter(({ position }) => row.membership !== 'join' || (position ?? 0) >= row.since)
  if (!isNew || events.some(({ nid }) => nid === row.eventNid)) return events
  const own = (await tx.events.byNids([row.eventNid])).get(row.eventNid)
  return own === undefined ? events : [...events, own]
}

function isIgnored({ event }: EventRow, userId: UserId, ignored: ReadonlySet<string>): boolean {
  if (!ignored.has(event.sender)) return false
  // "Servers must still send state events sent by ignored users", but "must not send room invites from" them.
  return event.stateKey === null || (event.type === 'm.room.member' && event.stateKey === userId)
}

function roomsIn(entries: readonly LogEntry[], kind: LogEntry['kind']): Set<RoomNid> {
  return new Set(entries.flatMap((entry) => (entry.kind === kind && entry.roomNid !== null ? [entry.roomNid] : [])))
}
