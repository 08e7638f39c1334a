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
  membership_log: { room_nid: number; user_nid: number; position: number; membership: number; event_nid: number }
}
