import type { Generated } from 'kysely'

export interface OutboundTables {
  missed_events: {
    server: string
    room_nid: number
    event_nid: number
    position: number
  }
  /** `edu` is JSON. Each server has the newest of a topic; without one, all. */
  queued_edus: {
    id: Generated<number>
    server: string
    topic: string | null
    /** The local user whose message it is; null where the server itself has something to tell. */
    sender_nid: number | null
    edu: string
  }
}
