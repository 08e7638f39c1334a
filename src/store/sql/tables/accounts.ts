export interface AccountsTables {
  /** Accounts on this server. They stay when deactivated. */
  accounts: {
    user_nid: number
    guest: number
    admin: number
    password_hash: string | null
    created_ts: number
    deactivated_ts: number | null
    erased: number
    /** 1 for a deactivated account that is still in rooms. */
    departing: number
  }
}
