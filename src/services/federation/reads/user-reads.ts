/** Other servers read about this server's users and aliases (server-server API, "Querying for information"). */
import { type DeviceId, type RoomAlias, type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { notFound } from '#core/matrix-error.ts'
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
}

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
      return {
        user_id: userId,
        // The list is as of this position: updates with a greater one are not in it.
        stream_id: await tx.position(),
        devices: devices.map(({ deviceId, displayName }) => ({
          device_id: deviceId,
          keys: { user_id: userId, device_id: deviceId, algorithms: [], keys: {}, signatures: {} },
          ...(this.#deps.tellsDeviceNames && displayName !== null && { device_display_name: displayName }),
        })),
      }
    })
  }

  /** Of those asked for, the local users who exist; devices with keys there are none (`/user/keys/query`). */
  async deviceKeys(userIds: readonly UserId[]): Promise<JsonObject> {
    const local = userIds.filter((userId) => serverOf(userId) === this.#deps.serverName)
    return this.#deps.store.read(async (tx) => {
      const found: [UserId, JsonObject][] = []
      for (const userId of local) if ((await localUser(tx, userId)) !== null) found.push([userId, {}])
      return Object.fromEntries(found)
    })
  }

  #checkLocal(userId: UserId): void {
    if (serverOf(userId) !== this.#deps.serverName) throw notFound('The user is not of this server')
  }
}

/** null for one without an account, or whose account has ended. */
async function localUser(tx: ReadTx, userId: UserId): Promise<UserNid | null> {
  const user = await tx.users.nid(userId)
  const account = user === null ? null : await tx.accounts.get(user)
  return account === null || account.deactivatedTs !== null ? null : account.userNid
}
