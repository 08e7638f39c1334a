import type { EventId } from '#core/ids.ts'
import { integerList } from '#store/sql/connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { EventNid, EventReader, EventStore } from '#store/types/events.ts'

/** Rows deleted by one statement. */
const FORGOTTEN_AT_ONCE_MAX = 1000

/** The transaction ids of local sends. They are written by the append. */
export function transactionReader(
  sql: Sql,
): Pick<EventReader, 'transaction' | 'transactionIds'> & Pick<EventStore, 'forgetTransactions'> {
  const eventOf = sql.prepare((db, p: { user: number; device: string; room: number; txn: string; endpoint: string }) =>
    db
      .selectFrom('transactions')
      .innerJoin('events', 'events.nid', 'transactions.event_nid')
      .select('events.event_id')
      .where('transactions.user_nid', '=', p.user)
      .where('transactions.device_id', '=', p.device)
      .where('transactions.room_nid', '=', p.room)
      .where('transactions.txn_id', '=', p.txn)
      .where('transactions.endpoint', '=', p.endpoint),
  )
  const idsOf = sql.prepare((db, p: { user: number; device: string; nids: string }) =>
    db
      .selectFrom('transactions')
      .select(['event_nid', 'txn_id'])
      .where('event_nid', 'in', sql.integers(p.nids))
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.device),
  )
  // Events are numbered as time passes, so the oldest are found without an index on the time.
  const forget = sql.prepare((db, p: { before: number; limit: number }) =>
    db
      .deleteFrom('transactions')
      .where('ts', '<', p.before)
      .where('event_nid', 'in', (some) =>
        some.selectFrom('transactions as oldest').select('oldest.event_nid').orderBy('oldest.event_nid').limit(p.limit),
      ),
  )

  return {
    async transaction({ userNid, deviceId, room, txnId, endpoint = '' }) {
      const row = await eventOf.get({ user: userNid, device: deviceId, room, txn: txnId, endpoint })
      return (row?.event_id as EventId | undefined) ?? null
    },

    async transactionIds(userNid, deviceId, nids) {
      const rows = await idsOf.all({ user: userNid, device: deviceId, nids: integerList(nids) })
      return new Map(rows.map((row) => [row.event_nid as EventNid, row.txn_id]))
    },

    async forgetTransactions(before) {
      let forgotten = 0
      for (;;) {
        const deleted = await forget.run({ before, limit: FORGOTTEN_AT_ONCE_MAX })
        forgotten += deleted
        if (deleted < FORGOTTEN_AT_ONCE_MAX) return forgotten
      }
    },
  }
}
