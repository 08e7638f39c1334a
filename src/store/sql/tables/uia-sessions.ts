export interface UiaSessionsTables {
  uia_sessions: {
    id_hash: string
    operation: string
    user_nid: number | null
    fingerprint: string | null
    /** JSON */
    completed: string
    expires_ts: number
  }
}
