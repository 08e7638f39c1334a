export interface DevicesTables {
  devices: {
    user_nid: number
    device_id: string
    display_name: string | null
    created_ts: number
    last_seen_ts: number | null
    last_seen_ip: string | null
  }
  /** One row for each change of a user's device list that others may have to learn of. */
  device_list_changes: { position: number; user_nid: number; device_id: string | null }
}
