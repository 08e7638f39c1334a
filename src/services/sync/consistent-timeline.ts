import type { Slice } from '#services/sync/timeline-slice.ts'
import type { ReadTx } from '#store/store.ts'
import type { StateId } from '#store/types/state.ts'

/**
 * The slice, cut so that a client that applies its state events in order ends with the state `end`. Events between them
 * that the reader may not see, that the filter leaves out or that state resolution overruled may have set the same state
 * again; then what stands in the timeline before is left to back-pagination, and the state tells the rest.
 */
export async function consistentTimeline(tx: ReadTx, slice: Slice, end: StateId): Promise<Slice> {
  const lastOfKey = new Map<string, number>()
  for (const [index, { event }] of slice.rows.entries()) {
    if (event.stateKey !== null) lastOfKey.set(`${event.type}\0${event.stateKey}`, index)
  }
  const indexes = [...lastOfKey.values()]
  const keys = indexes.map((index) => {
    const { type, stateKey } = slice.rows[index]!.event
    return [type, stateKey ?? ''] as const
  })
  const current = await tx.state.getMany(end, keys)
  const stale = indexes.filter((index, i) => slice.rows[index]!.nid !== current[i])
  if (stale.length === 0) return slice
  return { ...slice, rows: slice.rows.slice(Math.max(...stale) + 1), limited: true }
}
