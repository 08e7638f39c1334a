import { type DeviceId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { type LocalUserKeys, readLocalKeys, readSignatures } from '#services/e2ee/local-keys.ts'
import type { RemoteKeys, RemoteUserKeys } from '#services/e2ee/remote-keys.ts'
import { publicKeyOf } from '#services/e2ee/signed-keys.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/** Device ids of each user; none for all of them. */
export type WantedKeys = ReadonlyMap<UserId, readonly DeviceId[]>

/** The answer to a client. Each map is by user id; those without are absent. */
export type QueriedKeys = {
  readonly device_keys: JsonObject
  readonly master_keys: JsonObject
  readonly self_signing_keys: JsonObject
  /** The caller's own at most. */
  readonly user_signing_keys: JsonObject
  /** By server name. */
  readonly failures: JsonObject
}

/** Users that one read looks up, so that no query holds up other work for long. */
const USERS_A_READ = 200

type Found = { readonly userId: UserId; readonly devices: JsonObject; readonly keys: LocalUserKeys['crossSigning'] }

/** Looks up identity keys, of this server's users and by way of other servers. */
export class KeyQueries {
  readonly #store: Store
  readonly #serverName: ServerName
  readonly #remote: RemoteKeys

  constructor(deps: { readonly store: Store; readonly serverName: ServerName; readonly remote: RemoteKeys }) {
    this.#store = deps.store
    this.#serverName = deps.serverName
    this.#remote = deps.remote
  }

  /** Answers a client (`/keys/query`). */
  async query(caller: Caller, wanted: WantedKeys, options: { readonly timeoutMs: number }): Promise<QueriedKeys> {
    const elsewhere = new Map([...wanted].filter(([userId]) => serverOf(userId) !== this.#serverName))
    const [local, remote] = await Promise.all([
      this.#local(caller, wanted),
      elsewhere.size === 0 ? null : this.#remote.query(elsewhere, { ...options, viewer: caller.userNid }),
    ])
    const found = [...local, ...(remote === null ? [] : await this.#signed(caller, remote.users))]
    const keysOf = (usage: 'master' | 'self_signing' | 'user_signing') =>
      Object.fromEntries(
        found.flatMap(({ userId, keys }): [UserId, JsonObject][] => {
          const key = keys.get(usage)
          return key === undefined ? [] : [[userId, key]]
        }),
      )
    return {
      device_keys: Object.fromEntries(found.map(({ userId, devices }) => [userId, devices])),
      master_keys: keysOf('master'),
      self_signing_keys: keysOf('self_signing'),
      user_signing_keys: keysOf('user_signing'),
      failures: Object.fromEntries(remote?.failures ?? []),
    }
  }

  async #local(caller: Caller, wanted: WantedKeys): Promise<Found[]> {
    const userIds = [...wanted.keys()].filter((userId) => serverOf(userId) === this.#serverName)
    const found: Found[] = []
    for (let start = 0; start < userIds.length; start += USERS_A_READ) {
      const some = userIds.slice(start, start + USERS_A_READ)
      const users = await this.#store.read((tx) => readLocalKeys(tx, some, caller.userNid))
      for (const [userId, { devices, crossSigning }] of users) {
        const deviceIds = wanted.get(userId) ?? []
        const shown = [...devices].filter(([deviceId]) => deviceIds.length === 0 || deviceIds.includes(deviceId))
        found.push({
          userId,
          devices: Object.fromEntries(
            shown.map(([deviceId, { keys, displayName }]) => [deviceId, withDisplayName(keys, displayName)]),
          ),
          keys: crossSigning,
        })
      }
    }
    return found
  }

  /** Other servers' keys, with the signatures that the caller's user-signing key left on them here. */
  async #signed(caller: Caller, users: ReadonlyMap<UserId, RemoteUserKeys>): Promise<Found[]> {
    return this.#store.read(async (tx) => {
      const nids = new Map<UserId, UserNid>()
      for (const userId of users.keys()) {
        const nid = await tx.users.nid(userId)
        if (nid !== null) nids.set(userId, nid)
      }
      const signatures = await readSignatures(tx, [...nids.values()], caller.userNid)
      return [...users].map(([userId, { devices, masterKey, selfSigningKey }]) => {
        const nid = nids.get(userId)
        const keys = new Map<'master' | 'self_signing', JsonObject>()
        if (masterKey !== null) {
          const publicKey = publicKeyOf(masterKey)
          const signed =
            nid === undefined || publicKey === null ? masterKey : signatures.addTo(masterKey, nid, publicKey)
          keys.set('master', signed)
        }
        if (selfSigningKey !== null) keys.set('self_signing', selfSigningKey)
        return { userId, devices: Object.fromEntries(devices), keys }
      })
    })
  }
}

/** "Additional data added to the device key information by intermediate servers." */
export function withDisplayName(keys: JsonObject, displayName: string | null): JsonObject {
  return displayName === null ? keys : { ...keys, unsigned: { device_display_name: displayName } }
}
