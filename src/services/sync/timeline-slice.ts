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
/** How many events are read at a time when the first ones don't suffice. */
const PAGE_EVENTS = 250

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
  /** The place that the slice reaches up to: just after the newest event until `to`, shown or not. */
  readonly endRank: number
  /** There was news that isn't in `rows`. */
  readonly hidesNews: boolean
}

/** The newest events of a room's timeline, as far as the filter and the reader's rights go, and without a hole. */
export async function timelineSlice(tx: ReadTx, request: SliceRequest): Promise<Slice> {
  const { lowestRank, ...slice } = await newestEvents(tx, request)
  const [gap] = await tx.backwardExtremities.below(request.roomNid, slice.endRank, 1)
  if (gap === undefined || gap.rank < lowestRank) return slice
  // What other servers sent in between isn't here: clients fetch it by paginating from where the slice begins.
  const rows = slice.rows.filter(({ rank }) => rank !== null && rank >= gap.rank)
  return { ...slice, rows, limited: true }
}

/**
 * Where back-pagination begins: just before the first row. Without rows it is the end of what was looked at, so that
 * nothing is passed over: neither what the filter left out, since the client may page with another one, nor what lies
 * before `from`.
 */
export function startRank({ rows, endRank }: Slice): number {
  const first = rows[0]?.rank ?? null
  return first === null ? endRank : first - 1
}

/** `lowestRank` is that of the oldest event that was looked at, and wasn't left to back-pagination. */
async function newestEvents(tx: ReadTx, request: SliceRequest): Promise<Slice & { readonly lowestRank: number }> {
  const endRank = await tx.events.rankAt(request.roomNid, request.to)
  const limit = request.filter.limit ?? TIMELINE_LIMIT_DEFAULT
  const isClosed = passesNothing(request.filter)
  const rows: EventRow[] = []
  let lowestRank = endRank + 1
  let scanned = 0
  let news = 0
  const slice = (limited: boolean) => {
    return { rows: rows.toReversed(), limited, endRank, lowestRank, hidesNews: news > rows.length }
  }
  // One more than wanted tells whether the slice is limited.
  for (let pageSize = limit + 1; ; pageSize = PAGE_EVENTS) {
    const page = await tx.events.timeline({
      room: request.roomNid,
      direction: 'backwards',
      beforeRank: lowestRank,
      untilPosition: request.to,
      limit: isClosed ? 1 : pageSize,
    })
    const { fresh, reachedFrom, gap } = newerThan(page, request.from)
    scanned += page.length
    news += fresh.length
    if (isClosed) return slice(false)
    const wanted = fresh.filter((row) => isWanted(row, request))
    const passing = await passingRelations(tx, await visibleEvents(tx, wanted, request.reader), request.filter)
    for (const row of passing) {
      if (rows.length === limit) return slice(true)
      rows.push(row)
      lowestRank = row.rank ?? lowestRank
    }
    lowestRank = fresh.at(-1)?.rank ?? lowestRank
    if (gap) return slice(true)
    if (reachedFrom || page.length < pageSize) return slice(false)
    if (scanned >= SLICE_SCAN_EVENTS_MAX) return slice(true)
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
