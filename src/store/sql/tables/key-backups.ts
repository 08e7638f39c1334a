export interface KeyBackupsTables {
  key_backups: {
    user_nid: number
    version: number
    algorithm: string
    auth_data: string
    etag: number
    key_count: number
    deleted: number
  }
  key_backup_keys: {
    user_nid: number
    version: number
    room_id: string
    session_id: string
    is_verified: number
    first_message_index: number
    forwarded_count: number
    session_data: string
  }
}
