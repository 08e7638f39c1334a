import type { Generated } from 'kysely'

export interface InboundTables {
  /** Transactions of other servers with the answers that they got, in JSON. */
  inbound_transactions: { origin: string; txn_id: string; response: string; received_ts: number }
  /** Events that are still to be judged, in JSON as received. */
  staged_pdus: { id: Generated<number>; room_id: string; origin: string; received_ts: number; json: string }
}
