export interface ServerKeysTables {
  server_keys: {
    server: string
    key_id: string
    public_key: Uint8Array
    valid_until_ts: number
    expired_ts: number | null
  }
  server_key_documents: {
    server: string
    /** 0 for the newest. */
    age: number
    json: string
    valid_until_ts: number
    fetched_ts: number
  }
}
