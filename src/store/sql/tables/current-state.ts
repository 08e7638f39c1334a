export interface CurrentStateTables {
  state_keys: { nid: number; type: string; state_key: string }
  /** The current state of each room. `type_nid` is the number of (type, ''), so that a room's state is found by type. */
  current_state: { room_nid: number; type_nid: number; key_nid: number; event_nid: number }
  /** The current state's id from a position on. */
  state_log: { room_nid: number; position: number; state_id: number }
}
