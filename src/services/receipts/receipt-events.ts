import type { JsonObject } from '#core/json/value.ts'
import type { ReadTx } from '#store/store.ts'
import type { ReceiptRow } from '#store/types/receipts.ts'

/** The `m.receipt` event that tells of these receipts, all of one room; none for none. */
export async function receiptEvents(tx: ReadTx, receipts: readonly ReceiptRow[]): Promise<JsonObject[]> {
  if (receipts.length === 0) return []
  const users = await tx.users.userIds([...new Set(receipts.map((receipt) => receipt.userNid))])
  const byEvent = Map.groupBy(receipts, (receipt) => receipt.eventId)
  const content = [...byEvent].map(([eventId, ofEvent]) => {
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
    return [eventId, Object.fromEntries(types)]
  })
  return [{ type: 'm.receipt', content: Object.fromEntries(content) }]
}
