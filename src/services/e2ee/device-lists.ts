import { allDeviceLists, type DeviceListChanges, deviceListChanges } from '#services/e2ee/device-list-changes.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/** Whose devices changed, for clients that ask (`/keys/changes`). */
export class DeviceLists {
  readonly #store: Store

  constructor(deps: { readonly store: Store }) {
    this.#store = deps.store
  }

  /** What changed from a stream position to now, of those with whom the user shares a room. */
  changedSince(user: UserNid, from: number): Promise<DeviceListChanges> {
    return this.#store.read(async (tx) => {
      const to = await tx.position()
      if (from <= to) return deviceListChanges(tx, { user, from, to })
      // From before the database was restored from a backup: the client knows what this server has forgotten.
      return { changed: await allDeviceLists(tx, user), left: [] }
    })
  }
}
