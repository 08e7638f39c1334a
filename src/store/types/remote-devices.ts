import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

/** A device of another server's user. */
export type RemoteDevice = {
  readonly deviceId: DeviceId
  /** As its server gave them (definition DeviceKeys); null for a device without encryption. */
  readonly keys: JsonObject | null
  readonly displayName: string | null
}

/** The cross-signing keys of another server's user, as far as others may see them. */
export type RemoteSigningKeys = { readonly master: JsonObject | null; readonly selfSigning: JsonObject | null }

/** What is known of the devices of another server's user. */
export type RemoteDeviceList = RemoteSigningKeys & {
  readonly userNid: UserNid
  /** The version of the list, by its server's count; null where it was never fetched. */
  readonly streamId: number | null
  /** Something of it is known to be missing: it must not be used, and is to be fetched. */
  readonly isStale: boolean
  /** By device id. */
  readonly devices: readonly RemoteDevice[]
}

export type StaleList = {
  readonly userNid: UserNid
  readonly userId: UserId
  /** Another number with each mark, and for each list that was begun. */
  readonly marks: number
}

export interface RemoteDeviceReader {
  /** The lists that are kept of these users. */
  lists(users: readonly UserNid[]): Promise<Map<UserNid, RemoteDeviceList>>
  /** Servers with users whose lists are stale, by name, those after `after`; at most `limit`. */
  staleServers(limit: number, after?: ServerName): Promise<ServerName[]>
  /** Users of a server whose lists are stale, by number, those after `after`; at most `limit`. */
  staleLists(server: ServerName, limit: number, after?: UserNid): Promise<StaleList[]>
}

/**
 * Device lists of other servers' users, as copies. One is kept only as long as some local user shares a room with its
 * owner: the append that ends that also drops the copy. Changes that clients may have to learn of are recorded by the
 * caller (`tx.devices.recordListChange`).
 */
export interface RemoteDeviceStore extends RemoteDeviceReader {
  /** Marks the list as one that is to be fetched, once more if it is; begins to keep one where there is none. */
  markStale(user: UserNid, userId: UserId): Promise<void>
  /**
   * Sets the whole list, as it was fetched; false where the list isn't kept any more. It stays stale where it was marked
   * since the fetching began, or dropped and begun anew: the answer may be from before that.
   */
  replace(list: Omit<RemoteDeviceList, 'isStale'>, marks: number): Promise<boolean>
  /** Brings one device of a list that is kept up to a version. null for one that was deleted. */
  putDevice(user: UserNid, streamId: number, deviceId: DeviceId, device: RemoteDevice | null): Promise<void>
  /** Sets those that aren't null, in a list that is kept. */
  putSigningKeys(user: UserNid, keys: RemoteSigningKeys): Promise<void>
  /** Drops a list. */
  forget(user: UserNid): Promise<void>
}
