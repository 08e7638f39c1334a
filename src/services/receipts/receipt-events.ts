import type { JsonObject } from '#core/json/value.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx } from '#store/store.ts'
import type { ReceiptRow } from '#store/types/receipts.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** Others' receipts of one room in one answer, the newest: nobody looks at more, and a room may have any number. */
export const RECEIPTS_PER_ANSWER_MAX = 10_000

/** The receipts of a room that are news to a user in a stretch of the log, as clients are told of them. */
export async function receiptUpdates(
  tx: ReadTx,
  room: RoomNid,
  viewer: UserNid,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<JsonObject[]> {
  return receiptEvents(tx, await tx.receipts.newestBetween(room, viewer, from, to, RECEIPTS_PER_ANSWER_MAX))
}

/** The `m.receipt` event that tells of these receipts, all of one room; none for none. */
async function receiptEvents(tx: ReadTx, receipts: readonly ReceiptRow[]): Promise<JsonObject[]> {
  if (receipts.length === 0) return []
  const users = await tx.users.userIds([...new Set(receipts.map((receipt) => receipt.userNid))])
  const byEvent = Map.groupBy(receipts, (receipt) => receipt.eventId)
  const content: [string, JsonObject][] = []
  const timeSlice = new TimeSlice()
  for (const [eventId, ofEvent] of byEvent) {
    await timeSlice.yieldIfDue()
    const byType = Map.groupBy(ofEvent, (receipt) => receipt.type)
    const types = [...byType].map(([type, ofType]) => {
      // There is room for one of a user on an event, the last: the unthreaded one, which says more.
      const unthreadedLast = ofType.toSorted((a, b) => Number(a.threadId === null) - Number(b.threadId === null))
      const entries = unthreadedLast.flatMap(({ userNid, ts, threadId }) => {
        const userId = users.get(userNid)
        return userId === undefined ? [] : [[userId, { ts, ...(threadId === null ? {} : { thread_id: threadId }) }]]
      })
      return [type, Object.fromEntries(entries)]
    })
    content.push([eventId, Object.fromEntries(types)])
  }
  return [{ type: 'm.receipt', content: Object.fromEntries(content) }]
}
