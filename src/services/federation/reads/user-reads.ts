/** Other servers read about this server's users and aliases (server-server API, "Querying for information"). */
import { type DeviceId, type RoomAlias, type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { notFound } from '#core/matrix-error.ts'
import { withDisplayName } from '#services/e2ee/key-queries.ts'
import { type LocalUserKeys, readLocalKeys } from '#services/e2ee/local-keys.ts'
import { residentServers } from '#services/federation/reads/resident-servers.ts'
import type { Profiles } from '#services/profiles/profiles.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

export type DeviceList = {
  readonly user_id: UserId
  readonly stream_id: number
  readonly devices: readonly {
    readonly device_id: DeviceId
    readonly keys: JsonObject
    readonly device_display_name?: string
  }[]
  readonly master_key?: JsonObject
  readonly self_signing_key?: JsonObject
}

/** Keys by user id, of those who have any. */
export type UserKeys = {
  readonly device_keys: JsonObject
  readonly master_keys: JsonObject
  readonly self_signing_keys: JsonObject
}

/** Users that one read looks up. */
const USERS_A_READ = 200

type Deps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly profiles: Profiles
  /** Whether other servers are told what users call their devices. */
  readonly tellsDeviceNames: boolean
}

export class UserReads {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** A local user's profile, or one field of it (`/query/profile`). @throws M_NOT_FOUND, M_INVALID_PARAM */
  async profile(userId: UserId, field: string | null): Promise<JsonObject> {
    this.#checkLocal(userId)
    const { profiles } = this.#deps
    return field === null ? profiles.get(userId) : { [field]: await profiles.getField(userId, field) }
  }

  /** The room of one of this server's aliases, with servers to join by (`/query/directory`). @throws M_NOT_FOUND */
  directory(alias: RoomAlias): Promise<{ readonly room_id: RoomId; readonly servers: readonly ServerName[] }> {
    const { store, serverName } = this.#deps
    return store.read(async (tx) => {
      const row = serverOf(alias) === serverName ? await tx.rooms.alias(alias) : null
      const room = row === null ? null : await tx.rooms.byNid(row.roomNid)
      if (room === null) throw notFound(`Room alias ${alias} not found`)
      return { room_id: room.roomId, servers: await residentServers(tx, room, serverName) }
    })
  }

  /** A local user's devices (`/user/devices/{userId}`). @throws M_NOT_FOUND */
  async devices(userId: UserId): Promise<DeviceList> {
    this.#checkLocal(userId)
    return this.#deps.store.read(async (tx) => {
      const user = await localUser(tx, userId)
      if (user === null) throw notFound('User does not exist')
      const devices = await tx.devices.list(user)
      const keys = (await readLocalKeys(tx, [userId], null)).get(userId)
      const last = await tx.devices.deviceChangeBefore(user, Number.MAX_SAFE_INTEGER)
      const master = keys?.crossSigning.get('master')
      const selfSigning = keys?.crossSigning.get('self_signing')
      return {
        user_id: userId,
        // The last update that the list holds: the next one refers to it.
        stream_id: last?.position ?? 0,
        devices: devices.map(({ deviceId, displayName }) => ({
          device_id: deviceId,
          keys: keys?.devices.get(deviceId)?.keys ?? noKeys(userId, deviceId),
          ...(this.#deps.tellsDeviceNames && displayName !== null && { device_display_name: displayName }),
        })),
        ...(master !== undefined && { master_key: master }),
        ...(selfSigning !== undefined && { self_signing_key: selfSigning }),
      }
    })
  }

  /**
   * Keys of the local users among those asked for, as others may see them (`/user/keys/query`).
   * @param wanted device ids of each user; none for all of them
   */
  async deviceKeys(wanted: ReadonlyMap<UserId, readonly string[]>): Promise<UserKeys> {
    const local = [...wanted.keys()].filter((userId) => serverOf(userId) === this.#deps.serverName)
    const found: [UserId, LocalUserKeys][] = []
    for (let start = 0; start < local.length; start += USERS_A_READ) {
      const some = local.slice(start, start + USERS_A_READ)
      found.push(...(await this.#deps.store.read((tx) => readLocalKeys(tx, some, null))))
    }
    const signing = (usage: 'master' | 'self_signing') =>
      Object.fromEntries(
        found.flatMap(([userId, { crossSigning }]) => {
          const key = crossSigning.get(usage)
          return key === undefined ? [] : [[userId, key] as const]
        }),
      )
    return {
      device_keys: Object.fromEntries(
        found.map(([userId, { devices }]) => [userId, this.#shown(devices, wanted.get(userId) ?? [])]),
      ),
      master_keys: signing('master'),
      self_signing_keys: signing('self_signing'),
    }
  }

  #shown(devices: LocalUserKeys['devices'], wanted: readonly string[]): JsonObject {
    const asked = [...devices].filter(([deviceId]) => wanted.length === 0 || wanted.includes(deviceId))
    const name = (displayName: string | null) => (this.#deps.tellsDeviceNames ? displayName : null)
    return Object.fromEntries(
      asked.map(([deviceId, { keys, displayName }]) => [deviceId, withDisplayName(keys, name(displayName))]),
    )
  }

  #checkLocal(userId: UserId): void {
    if (serverOf(userId) !== this.#deps.serverName) throw notFound('The user is not of this server')
  }
}

/** A device that has published none: it isn't there for end-to-end encryption. */
function noKeys(userId: UserId, deviceId: DeviceId): JsonObject {
  return { user_id: userId, device_id: deviceId, algorithms: [], keys: {}, signatures: {} }
}

/** null for one without an account, or whose account has ended. */
async function localUser(tx: ReadTx, userId: UserId): Promise<UserNid | null> {
  const user = await tx.users.nid(userId)
  const account = user === null ? null : await tx.accounts.get(user)
  return account === null || account.deactivatedTs !== null ? null : account.userNid
}
