import type { DeviceId } from '#core/ids.ts'
import { notFound } from '#core/matrix-error.ts'
import type { Sessions } from '#services/accounts/sessions.ts'
import type { Consent } from '#services/accounts/uia/consent.ts'
import type { Store } from '#store/store.ts'
import type { DeviceRow } from '#store/types/devices.ts'
import type { UserNid } from '#store/types/users.ts'

export type Device = DeviceRow

/** A user's own devices. */
export class Devices {
  readonly #store: Store
  readonly #sessions: Sessions

  constructor(deps: { store: Store; sessions: Sessions }) {
    this.#store = deps.store
    this.#sessions = deps.sessions
  }

  async list(user: UserNid): Promise<Device[]> {
    return this.#store.read((tx) => tx.devices.list(user))
  }

  /** @throws MatrixError M_NOT_FOUND */
  async get(user: UserNid, deviceId: DeviceId): Promise<Device> {
    return found(await this.#store.read((tx) => tx.devices.get(user, deviceId)))
  }

  /** "If not given, the display name is unchanged." @throws MatrixError M_NOT_FOUND */
  async update(user: UserNid, deviceId: DeviceId, displayName: string | null): Promise<void> {
    if (displayName === null) {
      await this.get(user, deviceId)
      return
    }
    await this.#store.write(async (tx) => {
      const device = found(await tx.devices.get(user, deviceId))
      if (device.displayName !== displayName) await tx.devices.rename(user, deviceId, displayName)
    })
  }

  /** Deletes those that exist and ends their sessions. */
  async delete(user: UserNid, deviceIds: readonly DeviceId[], consent: Consent): Promise<void> {
    await this.#store.write(async (tx) => {
      await consent.spend(tx)
      await tx.devices.delete(user, deviceIds)
    })
    this.#sessions.revoke({ userNid: user, deviceIds })
  }
}

function found(device: Device | null): Device {
  if (device === null) throw notFound('No such device')
  return device
}
