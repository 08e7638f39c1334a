import type { Generated } from 'kysely'

export interface InboundTables {
  /** Transactions of other servers with the answers that they got, in JSON. */
  inbound_transactions: { origin: string; txn_id: string; response: string; received_ts: number }
  /** Events that are still to be judged, in JSON as received. */
  staged_pdus: { id: Generated<number>; room_id: string; origin: string; received_ts: number; json: string }
  /** Events without which states were built, with their JSON where they aren't stored; see LeftOutEvent. */
  left_out_events: {
    room_nid: number
    state_id: number
    event_id: string
    is_in_state: number
    via: string
    since_ts: number
    json: string | null
  }
}
