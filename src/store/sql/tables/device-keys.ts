export interface DeviceKeysTables {
  device_keys: { user_nid: number; device_id: string; keys: string }
}
