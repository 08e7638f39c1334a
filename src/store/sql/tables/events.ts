export interface EventsTables {
  events: {
    nid: number
    event_id: string
    room_nid: number
    /** null for outliers and backfilled events. */
    position: number | null
    /** null for outliers. */
    rank: number | null
    sender_nid: number
    origin_server_ts: number
    depth: number
    generation: number
    state_before: number
    /** null: the same as `state_before`. */
    state_after: number | null
    /** Bits: see `EVENT_FLAGS`. */
    flags: number
    redacted_by: number | null
    /** Cited events: see event-references.ts. */
    prev: Uint8Array
    auth: Uint8Array
    /** The event as received, or its redacted copy. JSON's escapes keep U+0000 out of the text. */
    json: string
  }
  /** Why an event was rejected or soft-failed. */
  rejections: { event_nid: number; reason: string }
  /** Events without a place in the timeline that are cited by timeline events, whose ranks these are. */
  backward_extremities: { room_nid: number; rank: number; missing_id: string; cited_by: number }
  /** Redactions that don't apply to what is known here. */
  pending_redactions: { target_id: string; event_nid: number }
  /** Redactions that began to apply after they had come, by the positions at which they did. */
  late_redactions: { room_nid: number; position: number; event_nid: number }
  /** Events that relate to another one, by the other one, which may be unknown here. */
  relations: { parent_id: string; event_nid: number; room_nid: number; rel_type: string; type: string }
  /** The events of threads but not their roots. */
  thread_events: { event_nid: number; root_id: string }
  /** The transaction ids of local sends, kept for a day. */
  transactions: {
    event_nid: number
    user_nid: number
    device_id: string
    room_nid: number
    txn_id: string
    /** Empty but for those that a device used on several endpoints. */
    endpoint: string
    ts: number
  }
}
