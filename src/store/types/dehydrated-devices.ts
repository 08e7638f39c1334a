import type { DeviceId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { ToDeviceMessage } from '#store/types/to-device.ts'
import type { UserNid } from '#store/types/users.ts'

export type DehydratedDeviceRow = {
  readonly deviceId: DeviceId
  /** The private half, encrypted by the client. */
  readonly data: JsonObject
}

export interface DehydratedDeviceReader {
  /** A user has one at most. */
  get(user: UserNid): Promise<DehydratedDeviceRow | null>
  /** Messages that wait for a device at positions above `from`, in order, at most `limit`. They stay. */
  messages(user: UserNid, deviceId: DeviceId, from: number, limit: number): Promise<ToDeviceMessage[]>
}

/** Devices that nobody is logged in with, kept for the next login (MSC3814). They go when the device goes. */
export interface DehydratedDeviceStore extends DehydratedDeviceReader {
  /** Says that a device, which must exist, is the user's dehydrated one. The one before must be gone. */
  put(user: UserNid, device: DehydratedDeviceRow): Promise<void>
}
