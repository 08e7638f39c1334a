export interface RemoteDevicesTables {
  remote_device_lists: {
    user_nid: number
    server: string
    stream_id: number | null
    stale: number
    master_key: string | null
    self_signing_key: string | null
  }
  remote_devices: { user_nid: number; device_id: string; keys: string | null; display_name: string | null }
}
