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
    /** Of this server. */
    local_joined: number
    /** The servers and join event of a partial state in JSON, null without one. */
    partial: string | null
  }
  /** How many members of each server are joined by the current state; none has 0. */
  room_servers: { room_nid: number; server: string; joined: number }
  /** Where servers came to have a joined member (`present` 1), or ceased to (0). */
  room_server_log: { room_nid: number; position: number; server: string; present: number }
  extremities: { room_nid: number; event_nid: number }
  /** What other servers said of the state at events that came while the room's was partial; see ClaimedState. */
  claimed_states: { room_nid: number; event_id: string; state_id: number; is_before: number }
  room_aliases: { alias: string; room_nid: number; creator_nid: number }
}
