import { TimeSlice } from '#services/time/time-slice.ts'
import { type RoomAccess, readableEvents } from '#services/timeline/room-access.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'

/** How many events nearest to the time are tried, one after another, for one that the user may read. */
const NEAR_EVENTS_MAX = 50

/**
 * The event closest to a time that the user may read: at or after it (`forwards`), or at or before it (`backwards`).
 * Of several invisible ones with the same timestamp only the first is tried.
 */
export async function eventNearTime(
  tx: ReadTx,
  access: RoomAccess,
  ts: number,
  direction: 'forwards' | 'backwards',
): Promise<EventRow | null> {
  const step = direction === 'forwards' ? 1 : -1
  const timeSlice = new TimeSlice()
  let from = ts
  for (let tried = 0; tried < NEAR_EVENTS_MAX; tried += 1) {
    await timeSlice.yieldIfDue()
    const row = await tx.events.nearestByTime(access.room.nid, from, direction)
    if (row === null) return null
    if ((await readableEvents(tx, access, [row])).length > 0) return row
    from = row.event.originServerTs + step
  }
  return nearestOwnMembership(tx, access, from, direction)
}

/** Where a long stretch of events is hidden from a user, their own joining or leaving is what ends it. */
async function nearestOwnMembership(
  tx: ReadTx,
  access: RoomAccess,
  ts: number,
  direction: 'forwards' | 'backwards',
): Promise<EventRow | null> {
  if (access.reader === null) return null
  const history = await tx.memberships.history(access.reader.userNid, access.room.nid)
  const events = await tx.events.byNids(history.map(({ eventNid }) => eventNid))
  const readable = await readableEvents(tx, access, [...events.values()])
  const beyond = readable.filter(({ event }) =>
    direction === 'forwards' ? event.originServerTs >= ts : event.originServerTs <= ts,
  )
  const byDistance = beyond.toSorted(
    (a, b) => Math.abs(a.event.originServerTs - ts) - Math.abs(b.event.originServerTs - ts),
  )
  return byDistance[0] ?? null
}
