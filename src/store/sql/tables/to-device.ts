export interface ToDeviceTables {
  to_device_messages: { user_nid: number; device_id: string; position: number; event: string }
  /** Local sends, so that a repeated one does nothing. */
  to_device_transactions: { user_nid: number; device_id: string; event_type: string; txn_id: string; ts: number }
  /** What other servers sent, so that the same again does nothing. */
  to_device_message_ids: { server: string; message_id: string; ts: number }
}
