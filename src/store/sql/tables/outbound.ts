import type { Generated } from 'kysely'

export interface OutboundTables {
  missed_events: {
    server: string
    room_nid: number
    event_nid: number
    position: number
  }
  /** `edu` is JSON. */
  queued_edus: {
    id: Generated<number>
    server: string
    edu: string
  }
}
