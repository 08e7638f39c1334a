import { type DeviceId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RemoteKeys } from '#services/e2ee/remote-keys.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/** The algorithm that is wanted for each device of each user. */
export type WantedOneTimeKeys = ReadonlyMap<UserId, ReadonlyMap<DeviceId, string>>

/** `{[userId]: {[deviceId]: {[algorithm:keyId]: key}}}`; who and what has no key is absent. */
export type ClaimedKeys = { readonly one_time_keys: JsonObject; readonly failures: JsonObject }

/** Devices that one transaction serves, so that no claim holds up other writes for long. */
const DEVICES_A_WRITE = 50

type Wish = {
  readonly userId: UserId
  readonly userNid: UserNid
  readonly deviceId: DeviceId
  readonly algorithm: string
}

/** Gives out one-time keys, of this server's users and by way of other servers. */
export class KeyClaims {
  readonly #store: Store
  readonly #serverName: ServerName
  readonly #remote: RemoteKeys

  constructor(deps: { readonly store: Store; readonly serverName: ServerName; readonly remote: RemoteKeys }) {
    this.#store = deps.store
    this.#serverName = deps.serverName
    this.#remote = deps.remote
  }

  /** Claims keys for a client (`/keys/claim`). */
  async claim(wanted: WantedOneTimeKeys, options: { readonly timeoutMs: number }): Promise<ClaimedKeys> {
    const elsewhere = new Map([...wanted].filter(([userId]) => serverOf(userId) !== this.#serverName))
    const [local, remote] = await Promise.all([
      this.claimLocal(wanted),
      elsewhere.size === 0 ? null : this.#remote.claim(elsewhere, options),
    ])
    return {
      one_time_keys: Object.fromEntries([...local, ...(remote?.users ?? [])]),
      failures: Object.fromEntries(remote?.failures ?? []),
    }
  }

  /**
   * Claims keys of this server's users, for a client or another server (`/user/keys/claim`); others are left out. The
   * keys are nobody else's when the promise resolves.
   */
  async claimLocal(wanted: WantedOneTimeKeys): Promise<Map<UserId, JsonObject>> {
    const wishes = await this.#wishes(wanted)
    const found: [Wish, JsonObject][] = []
    for (let start = 0; start < wishes.length; start += DEVICES_A_WRITE) {
      const some = wishes.slice(start, start + DEVICES_A_WRITE)
      found.push(
        ...(await this.#store.write(async (tx) => {
          const claimed: [Wish, JsonObject][] = []
          for (const wish of some) {
            const key = await tx.oneTimeKeys.claim(wish.userNid, wish.deviceId, wish.algorithm)
            if (key !== null) claimed.push([wish, { [`${key.algorithm}:${key.keyId}`]: key.key }])
          }
          return claimed
        })),
      )
    }
    const byUser = Map.groupBy(found, ([{ userId }]) => userId)
    return new Map(
      [...byUser].map(([userId, keys]) => [
        userId,
        Object.fromEntries(keys.map(([{ deviceId }, key]) => [deviceId, key])),
      ]),
    )
  }

  /** In one order for everybody, so that transactions of two processes don't wait for each other in a ring. */
  async #wishes(wanted: WantedOneTimeKeys): Promise<Wish[]> {
    const local = [...wanted].filter(([userId]) => serverOf(userId) === this.#serverName)
    const wishes = await this.#store.read(async (tx) => {
      const wishes: Wish[] = []
      for (const [userId, devices] of local) {
        const userNid = await tx.users.nid(userId)
        if (userNid === null) continue
        for (const [deviceId, algorithm] of devices) wishes.push({ userId, userNid, deviceId, algorithm })
      }
      return wishes
    })
    return wishes.sort((a, b) => a.userNid - b.userNid || (a.deviceId < b.deviceId ? -1 : 1))
  }
}
