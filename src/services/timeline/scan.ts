import { passesNothing, type RoomEventFilter, roomEventPasses } from '#core/filter/event-filter.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import { passingRelations } from '#services/timeline/related-events.ts'
import { type RoomAccess, readableEvents } from '#services/timeline/room-access.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventRow, TimelineRange } from '#store/types/events.ts'

/** How many events one answer looks through for those that the reader may see and the filter wants. */
export const SCAN_EVENTS_MAX = 2_000
/** How many events are read at a time when the first ones don't suffice. */
const PAGE_EVENTS = 250

export type ScanRange = Pick<TimelineRange, 'direction' | 'afterRank' | 'beforeRank'> & {
  readonly limit: number
  readonly filter: RoomEventFilter
}

export type Scanned = {
  /** At most `limit`, in the asked direction's order. */
  readonly rows: readonly EventRow[]
  /** Rank of the last event that was looked at, wanted or not; null where there was none. */
  readonly lastRank: number | null
  /** There are events behind that one, inside of the range. */
  readonly hasMore: boolean
}

/**
 * Reads on in a room's timeline. A stretch of events that the reader may not see or does not want ends a scan, not the
 * timeline: `hasMore` tells them apart.
 */
export async function scanTimeline(tx: ReadTx, access: RoomAccess, range: ScanRange): Promise<Scanned> {
  const { direction, limit, filter } = range
  if (passesNothing(filter)) return { rows: [], lastRank: null, hasMore: false }
  let { afterRank = Number.MIN_SAFE_INTEGER } = range
  let beforeRank = Math.min(range.beforeRank ?? Number.MAX_SAFE_INTEGER, access.untilRank + 1)
  const timeSlice = new TimeSlice()
  const rows: EventRow[] = []
  let lastRank: number | null = null
  // One more than wanted tells whether there are more.
  let pageSize = limit + 1
  for (let scanned = 0; scanned < SCAN_EVENTS_MAX; pageSize = Math.max(pageSize, PAGE_EVENTS)) {
    await timeSlice.yieldIfDue()
    const page = await tx.events.timeline({
      room: access.room.nid,
      direction,
      afterRank,
      beforeRank,
      limit: pageSize,
    })
    const wanted = new Set(await wantedEvents(tx, access, page, filter))
    for (const row of page) {
      if (rows.length === limit) return { rows, lastRank, hasMore: true }
      if (wanted.has(row)) rows.push(row)
      lastRank = row.rank
    }
    if (page.length < pageSize) return { rows, lastRank, hasMore: false }
    scanned += page.length
    if (direction === 'forwards') afterRank = lastRank ?? afterRank
    else beforeRank = lastRank ?? beforeRank
  }
  return { rows, lastRank, hasMore: true }
}

async function wantedEvents(tx: ReadTx, access: RoomAccess, page: readonly EventRow[], filter: RoomEventFilter) {
  const passing = page.filter((row) => roomEventPasses(filter, access.room.roomId, row.event))
  return passingRelations(tx, await readableEvents(tx, access, passing), filter)
}
