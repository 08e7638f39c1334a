export interface MembershipsTables {
  /** By the rooms' current states. `membership` is a number of `MEMBERSHIPS`. */
  memberships: {
    user_nid: number
    room_nid: number
    membership: number
    event_nid: number
    since: number
    position: number
    forgotten: number
  }
  /** Of memberships in rooms that this server has no copy of. `events` is a list in JSON. */
  stripped_states: { user_nid: number; room_nid: number; events: string }
  membership_log: { room_nid: number; user_nid: number; position: number; membership: number; event_nid: number }
}
