import { passesNothing } from '#core/filter/event-filter.ts'
import { isWanted, type Slice, type SliceRequest, TIMELINE_LIMIT_DEFAULT } from '#services/sync/timeline-slice.ts'
import { passingRelations } from '#services/timeline/related-events.ts'
import { visibleEvents } from '#services/timeline/visible-events.ts'
import type { ReadTx } from '#store/store.ts'

/**
 * Adds the redactions that began to apply after `from`, since what they redact has come. Their places in the timeline
 * lie behind what the client has, so they follow its end, as far as the filter's limit leaves room: what they redact is
 * sent in its redacted form in any case.
 */
export async function withLateRedactions(tx: ReadTx, request: SliceRequest, slice: Slice): Promise<Slice> {
  const { roomNid, filter, reader, from, to } = request
  if (from === null || passesNothing(filter)) return slice
  const left = (filter.limit ?? TIMELINE_LIMIT_DEFAULT) - slice.rows.length
  if (left <= 0) return slice
  const late = await tx.events.lateRedactions(roomNid, from, to, left)
  // Later ones are in the timeline, or to be found by paginating from it.
  const wanted = late.filter((row) => row.position !== null && row.position <= from && isWanted(row, request))
  const added = await passingRelations(tx, await visibleEvents(tx, wanted, reader), filter)
  return added.length === 0 ? slice : { ...slice, rows: [...slice.rows, ...added] }
}
