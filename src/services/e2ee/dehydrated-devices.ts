import type { DeviceId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { forbidden, invalidParam, notFound, tooLarge } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { checkedUpload, type KeyUpload } from '#services/e2ee/device-keys.ts'
import type { Store } from '#store/store.ts'
import type { DehydratedDeviceRow } from '#store/types/dehydrated-devices.ts'
import type { UserNid } from '#store/types/users.ts'

/** The largest `device_data`, as JSON: fifty one-time keys take a tenth of it. */
const DATA_BYTES_MAX = 65_536
const MESSAGES_MAX = 100

export type DehydratedDevice = DehydratedDeviceRow & { readonly displayName: string | null; readonly keys: KeyUpload }

/** Messages that wait for a dehydrated device. */
export type DehydratedEvents = {
  readonly events: readonly JsonObject[]
  /** Where to go on from. */
  readonly nextBatch: string
  /** Whether more wait than were given. */
  readonly more: boolean
}

/**
 * Dehydrated devices (MSC3814): a device that nobody is logged in with, which receives message keys while the user has no
 * other device, and is brought back to life by the next one.
 */
export class DehydratedDevices {
  readonly #store: Store
  readonly #clock: () => number

  constructor(deps: { readonly store: Store; readonly clock: () => number }) {
    this.#store = deps.store
    this.#clock = deps.clock
  }

  /**
   * Keeps a device with all its keys, in the place of the one before.
   * @throws MatrixError M_INVALID_PARAM, also for the id of another device; and what publishing its keys throws
   */
  async put(caller: Caller, device: DehydratedDevice): Promise<void> {
    const { userId, userNid } = caller
    const { deviceId, displayName, data, keys } = device
    if (keys.deviceKeys === null) throw invalidParam('A dehydrated device must have keys')
    if (Buffer.byteLength(JSON.stringify(data)) > DATA_BYTES_MAX) throw tooLarge("'device_data' is too large")
    const publish = checkedUpload({ userId, userNid, deviceId }, keys)
    await this.#store.write(async (tx) => {
      const before = await tx.dehydratedDevices.get(userNid)
      if (before?.deviceId !== deviceId) {
        const crossSigning = await tx.crossSigningKeys.ofUsers([userNid])
        const isTaken = (await tx.devices.get(userNid, deviceId)) !== null
        if (isTaken || crossSigning.some(({ publicKey }) => publicKey === deviceId)) {
          throw invalidParam('Another device or key of the user has this id')
        }
      }
      // "Uploading a new dehydrated device will remove any previously-set dehydrated device."
      if (before !== null) await tx.devices.delete(userNid, [before.deviceId])
      await tx.devices.create(userNid, { deviceId, displayName, createdTs: this.#clock() })
      await publish(tx)
      await tx.dehydratedDevices.put(userNid, { deviceId, data })
    })
  }

  /** @throws MatrixError M_NOT_FOUND */
  async get(user: UserNid): Promise<DehydratedDeviceRow> {
    return found(await this.#store.read((tx) => tx.dehydratedDevices.get(user)))
  }

  /** Deletes it, and returns its id. @throws MatrixError M_NOT_FOUND */
  async delete(user: UserNid): Promise<DeviceId> {
    return this.#store.write(async (tx) => {
      const { deviceId } = found(await tx.dehydratedDevices.get(user))
      await tx.devices.delete(user, [deviceId])
      return deviceId
    })
  }

  /**
   * Messages that wait for the dehydrated device. None is deleted: should this client end halfway, another can begin
   * anew.
   *
   * @param from the `nextBatch` of an earlier answer, or null to begin
   * @throws MatrixError M_FORBIDDEN for a device that isn't the dehydrated one, M_INVALID_PARAM
   */
  async events(
    user: UserNid,
    deviceId: DeviceId,
    from: string | null,
    limit = MESSAGES_MAX,
  ): Promise<DehydratedEvents> {
    const after = from === null ? 0 : positionOf(from)
    const most = Math.max(1, Math.min(limit, MESSAGES_MAX))
    const messages = await this.#store.read(async (tx) => {
      const device = await tx.dehydratedDevices.get(user)
      if (device?.deviceId !== deviceId) throw forbidden('This is not the dehydrated device')
      return tx.dehydratedDevices.messages(user, deviceId, after, most + 1)
    })
    const given = messages.slice(0, most)
    return {
      events: given.map(({ event }) => event),
      nextBatch: `d${given.at(-1)?.position ?? after}`,
      more: messages.length > given.length,
    }
  }
}

function positionOf(token: string): number {
  if (!/^d[0-9]{1,15}$/.test(token)) throw invalidParam('Not a token of this endpoint')
  return Number(token.slice(1))
}

function found(device: DehydratedDeviceRow | null): DehydratedDeviceRow {
  if (device === null) throw notFound('There is no dehydrated device')
  return device
}
