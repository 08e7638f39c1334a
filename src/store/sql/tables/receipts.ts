export interface ReceiptsTables {
  /** `type` is a number of `RECEIPT_TYPES`; `thread_id` is '' for an unthreaded receipt. */
  receipts: {
    room_nid: number
    user_nid: number
    type: number
    thread_id: string
    event_id: string
    rank: number
    ts: number
    position: number
  }
}
