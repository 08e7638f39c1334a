import type { Generated } from 'kysely'

export interface AccessTokensTables {
  /** Access tokens, each with its refresh token where it has one; only digests. */
  access_tokens: {
    nid: Generated<number>
    user_nid: number
    device_id: string
    access_hash: string
    refresh_hash: string | null
    /** The pair that was refreshed to get this one. */
    parent_nid: number | null
    expires_ts: number | null
    used: number
    spent: number
    created_ts: number
  }
}
