import { passesNothing, type RoomEventFilter, roomEventPasses } from '#core/filter/event-filter.ts'
import type { RoomId } from '#core/ids.ts'
import { passingRelations } from '#services/timeline/related-events.ts'
import { type Reader, visibleEvents } from '#services/timeline/visible-events.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** How many timeline events a room gets when the filter names no limit. */
export const TIMELINE_LIMIT_DEFAULT = 10
/** How many events one slice looks through for those that the filter wants. */
export const SLICE_SCAN_EVENTS_MAX = 2_000

export type SliceRequest = {
  readonly roomNid: RoomNid
  readonly roomId: RoomId
  readonly reader: Reader
  readonly filter: RoomEventFilter
  /** Only events after this position; null reaches back to the room's start. */
  readonly from: number | null
  /** Only events up to this position. */
  readonly to: number
  /** Events of these users are left out unless they are state ("Ignoring Users"). */
  readonly ignored: ReadonlySet<string>
}

export type Slice = {
  /** Oldest first. */
  readonly rows: readonly EventRow[]
  /** There are events between `from` and the first row that are not in `rows`. */
  readonly limited: boolean
  /** Just before the first row: where back-pagination begins. */
  readonly startRank: number
  /** There was news that isn't in `rows`. */
  readonly hidesNews: boolean
}

/** The newest events of a room's timeline, as far as the filter and the reader's rights go, and without a hole. */
export async function timelineSlice(tx: ReadTx, request: SliceRequest): Promise<Slice> {
  const slice = await newestEvents(tx, request)
  const newest = slice.rows.at(-1)?.rank ?? null
  const [gap] = newest === null ? [] : await tx.backwardExtremities.below(request.roomNid, newest, 1)
  if (gap === undefined || gap.rank <= slice.startRank) return slice
  // What other servers sent in between isn't here: clients fetch it by paginating from where the slice begins.
  const rows = slice.rows.filter(({ rank }) => rank !== null && rank >= gap.rank)
  return { ...slice, rows, limited: true, startRank: gap.rank - 1 }
}

async function newestEvents(tx: ReadTx, request: SliceRequest): Promise<Slice> {
  const limit = passesNothing(request.filter) ? 0 : (request.filter.limit ?? TIMELINE_LIMIT_DEFAULT)
  const rows: EventRow[] = []
  let beforeRank = Number.MAX_SAFE_INTEGER
  let scanned = 0
  let news = 0
  const slice = (limited: boolean, scannedTo?: number): Slice => {
    const startRank = (rows.at(-1)?.rank ?? scannedTo ?? 1) - 1
    return { rows: rows.toReversed(), limited, startRank, hidesNews: news > rows.length }
  }
  for (;;) {
    // One more than wanted tells whether the slice is limited.
    const page = await tx.events.timeline({
      room: request.roomNid,
      direction: 'backwards',
      beforeRank,
      untilPosition: request.to,
      limit: limit + 1,
    })
    const { fresh, reachedFrom, gap } = newerThan(page, request.from)
    scanned += page.length
    news += fresh.length
    const wanted = fresh.filter((row) => isWanted(row, request))
    const visible = await visibleEvents(tx, wanted, request.reader)
    for (const row of await passingRelations(tx, visible, request.filter)) {
      if (rows.length === limit) return slice(true)
      rows.push(row)
    }
    if (gap) return slice(true)
    if (reachedFrom || page.length <= limit) return slice(false, fresh.at(-1)?.rank ?? beforeRank)
    beforeRank = page.at(-1)?.rank ?? beforeRank
    if (scanned >= SLICE_SCAN_EVENTS_MAX) return slice(true, beforeRank)
  }
}

/** Cuts a page (newest first) where it reaches `from`, or history that was filled in behind what the client has. */
function newerThan(page: readonly EventRow[], from: number | null) {
  if (from === null) return { fresh: page, reachedFrom: false, gap: false }
  const end = page.findIndex((row) => row.position === null || row.position <= from)
  if (end === -1) return { fresh: page, reachedFrom: false, gap: false }
  return { fresh: page.slice(0, end), reachedFrom: true, gap: page[end]?.position === null }
}

/** Whether the filter and the reader's ignored users let an event pass. */
export function isWanted(row: EventRow, { roomId, filter, ignored }: SliceRequest): boolean {
  if (row.event.stateKey === null && ignored.has(row.event.sender)) return false
  return roomEventPasses(filter, roomId, row.event)
}
