export interface RoomsTables {
  rooms: {
    nid: number
    room_id: string
    version: string
    head_seq: number
    state_id: number
    rank_max: number
    last_position: number
    published: number
    /** Members by the current state. */
    joined: number
    invited: number
  }
  extremities: { room_nid: number; event_nid: number }
  room_aliases: { alias: string; room_nid: number; creator_nid: number }
}
