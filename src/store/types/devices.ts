import type { DeviceId } from '#core/ids.ts'
import type { UserNid } from '#store/types/users.ts'

export type DeviceRow = {
  readonly deviceId: DeviceId
  readonly displayName: string | null
  readonly createdTs: number
  readonly lastSeenTs: number | null
  readonly lastSeenIp: string | null
}

export type DeviceSeen = {
  readonly userNid: UserNid
  readonly deviceId: DeviceId
  readonly ts: number
  readonly ip: string | null
}

/** A change of a user's device list. */
export type DeviceListChange = {
  readonly position: number
  readonly userNid: UserNid
  /** null where the cross-signing keys changed. */
  readonly deviceId: DeviceId | null
}

export interface DeviceReader {
  get(user: UserNid, deviceId: DeviceId): Promise<DeviceRow | null>
  /** By device id. */
  list(user: UserNid): Promise<DeviceRow[]>
  /** Whose device lists changed at `from < position ≤ to`, each user once, at the last of these positions. */
  listChanges(from: number, to: number): Promise<{ userNid: UserNid; position: number }[]>
  /** Each change of a local user's own list at `from < position ≤ to`, in order, at most `limit`. */
  ownListChanges(from: number, to: number, limit: number): Promise<DeviceListChange[]>
  /** The last change of one of the user's devices before `position`; null without one. */
  deviceChangeBefore(user: UserNid, position: number): Promise<DeviceListChange | null>
}

/** Devices of local users. Each change that others may see takes a stream position of kind `device_list`. */
export interface DeviceStore extends DeviceReader {
  create(user: UserNid, device: { deviceId: DeviceId; displayName: string | null; createdTs: number }): Promise<void>
  rename(user: UserNid, deviceId: DeviceId, displayName: string): Promise<void>
  /**
   * Deletes those that exist, with their access tokens, keys and messages; one change of the list for all of them.
   * Returns their number.
   */
  delete(user: UserNid, deviceIds: readonly DeviceId[]): Promise<number>
  /** When and from where devices were last used. Not a change that anyone learns of. */
  touch(seen: readonly DeviceSeen[]): Promise<void>
  /**
   * Records a change of the user's device list that was made elsewhere. Returns the position.
   * @param deviceId whose keys or signatures changed; null where it was the user's cross-signing keys, or where the user
   * is another server's
   */
  recordListChange(user: UserNid, deviceId: DeviceId | null): Promise<number>
}
