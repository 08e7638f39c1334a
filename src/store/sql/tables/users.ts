export interface UsersTables {
  /** Every user, local or remote, that something in this database speaks of. */
  users: { nid: number; user_id: string }
}
