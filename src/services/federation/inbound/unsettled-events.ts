import type { EventId } from '#core/ids.ts'
import { LACKS_AUTH_EVENTS } from '#services/rooms/pipeline/received-events.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'

/** Events that are read at once. */
const READ_EVENTS_MAX = 200

/** Those that aren't here, and those that were rejected for lack of others. One may be named several times. */
export async function unsettledEvents(store: Store, eventIds: readonly EventId[]): Promise<Set<EventId>> {
  const unsettled = new Set<EventId>()
  const seen = new Set<EventId>()
  const timeSlice = new TimeSlice()
  for (let at = 0; at < eventIds.length; at += READ_EVENTS_MAX) {
    const some = eventIds.slice(at, at + READ_EVENTS_MAX).filter((id) => !seen.has(id))
    for (const id of some) seen.add(id)
    await timeSlice.yieldIfDue()
    await store.read(async (tx) => {
      const known = await tx.events.known(some)
      for (const id of some) {
        const row = known.get(id)
        const isOpen = row?.rejected === true && (await tx.events.rejectionReason(row.nid)) === LACKS_AUTH_EVENTS
        if (row === undefined || isOpen) unsettled.add(id)
      }
    })
  }
  return unsettled
}
