import type { DeviceId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

/** The identity keys of a local user's device, with what the user calls it. */
export type DeviceKeysRow = {
  readonly userNid: UserNid
  readonly deviceId: DeviceId
  /** As uploaded (definition DeviceKeys), with the device's own signatures and no others. */
  readonly keys: JsonObject
  readonly displayName: string | null
}

export interface DeviceKeysReader {
  get(user: UserNid, deviceId: DeviceId): Promise<JsonObject | null>
  /** Of all devices of these users that have keys, by user and device id. */
  ofUsers(users: readonly UserNid[]): Promise<DeviceKeysRow[]>
}

/** Identity keys of local users' devices. They go when the device goes. */
export interface DeviceKeysStore extends DeviceKeysReader {
  /** Adds or replaces. The device must exist; the caller records the change of the list (`tx.devices`). */
  put(user: UserNid, deviceId: DeviceId, keys: JsonObject): Promise<void>
}
