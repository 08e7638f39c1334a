import type { RoomEventFilter } from '#core/filter/event-filter.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'

/**
 * Those events that pass the filter's `related_by_rel_types` and `related_by_senders` (MSC3440): another event relates
 * to them in one of these ways, and is from one of these users; one relation has to be both.
 */
export async function passingRelations(
  tx: ReadTx,
  rows: readonly EventRow[],
  filter: Pick<RoomEventFilter, 'relatedByRelTypes' | 'relatedBySenders'>,
): Promise<readonly EventRow[]> {
  const { relatedByRelTypes: types, relatedBySenders: senders } = filter
  if (types === null && senders === null) return rows
  const passing: EventRow[] = []
  for (const row of rows) {
    const relations = await tx.events.relations(row.roomNid, row.event.eventId)
    const users = senders === null ? null : await tx.users.userIds(relations.map(({ senderNid }) => senderNid))
    const isRelated = relations.some(({ relType, senderNid }) => {
      const sender = users?.get(senderNid)
      return (
        (types?.includes(relType) ?? true) && (senders === null || (sender !== undefined && senders.includes(sender)))
      )
    })
    if (isRelated) passing.push(row)
  }
  return passing
}
