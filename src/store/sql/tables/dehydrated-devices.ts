export interface DehydratedDevicesTables {
  dehydrated_devices: { user_nid: number; device_id: string; data: string }
}
