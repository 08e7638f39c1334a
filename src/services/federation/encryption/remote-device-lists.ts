/** `m.device_list_update` and `m.signing_key_update` from other servers ("Device Management", "End-to-End Encryption"). */
import { type DeviceId, isUserId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isDeviceIdText } from '#services/e2ee/to-device.ts'
import {
  remoteDeviceKeys,
  remoteDisplayName,
  remoteSigningKey,
} from '#services/federation/encryption/remote-key-objects.ts'
import type { Store, Tx } from '#store/store.ts'
import type { RemoteDevice, RemoteDeviceList } from '#store/types/remote-devices.ts'
import type { UserNid } from '#store/types/users.ts'

/** Earlier updates that one refers to and that are looked at. */
const PREVIOUS_MAX = 1_000

type Deps = {
  readonly store: Store
  /** A list of that server's has become stale, and is to be fetched. */
  readonly onStale: (server: ServerName) => void
}

type Update = {
  readonly userId: UserId
  readonly streamId: number
  readonly previous: readonly number[]
  readonly deviceId: DeviceId
  readonly device: RemoteDevice | null
}

/**
 * Keeps the copies of other servers' device lists up to date by what these tell. Only what concerns users who share a
 * room is heeded, and only from their own servers (S20). Where no copy is kept, local clients are told all the same that
 * they have to ask again.
 */
export class RemoteDeviceLists {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Takes `m.device_list_update`. */
  async receiveDeviceUpdate(origin: ServerName, content: JsonObject): Promise<void> {
    const update = readUpdate(content, origin)
    if (update === null) return
    await this.#change(update.userId, async (tx, user, list) => {
      // "The server should query a snapshot of the device list … in order to correctly interpret future EDUs."
      if (list.streamId === null || !follows(update, list.streamId)) return 'stale'
      // Told once more, or in the snapshot already.
      if (update.streamId <= list.streamId) return 'known'
      await tx.remoteDevices.putDevice(user, update.streamId, update.deviceId, update.device)
      return 'changed'
    })
  }

  /** Takes `m.signing_key_update`. */
  async receiveSigningKeys(origin: ServerName, content: JsonObject): Promise<void> {
    const userId = userOf(content, origin)
    if (userId === null) return
    const master = remoteSigningKey(member(content, 'master_key'), userId, 'master')
    const selfSigning = remoteSigningKey(member(content, 'self_signing_key'), userId, 'self_signing')
    await this.#change(userId, async (tx, user, list) => {
      if (master === null && selfSigning === null) return 'stale'
      if (isSame(master, list.master) && isSame(selfSigning, list.selfSigning)) return 'known'
      await tx.remoteDevices.putSigningKeys(user, { master, selfSigning })
      return 'changed'
    })
  }

  /** @param apply what to do with the copy, if there is one that was whole until now */
  async #change(
    userId: UserId,
    apply: (tx: Tx, user: UserNid, list: RemoteDeviceList) => Promise<'changed' | 'known' | 'stale'>,
  ): Promise<void> {
    const { store, onStale } = this.#deps
    const isStale = await store.write(async (tx) => {
      const user = await tx.users.nid(userId)
      if (user === null || (await tx.sharing.withAnyone([user])).length === 0) return false
      const list = (await tx.remoteDevices.lists([user])).get(user)
      if (list === undefined) {
        await tx.devices.recordListChange(user, null)
        return false
      }
      const outcome = list.isStale ? 'stale' : await apply(tx, user, list)
      // Clients hear of it when the list is whole again: before that there is nothing to give them.
      if (outcome === 'stale') await tx.remoteDevices.markStale(user, userId)
      else if (outcome === 'changed') await tx.devices.recordListChange(user, null)
      return outcome === 'stale'
    })
    if (isStale) onStale(serverOf(userId))
  }
}

/** Whether nothing is missing between the copy and the update, or the copy has the update. Versions only grow. */
function follows({ streamId, previous }: Update, known: number): boolean {
  return streamId <= known || (previous.length > 0 && Math.max(...previous) <= known)
}

function isSame(told: JsonObject | null, known: JsonObject | null): boolean {
  return told === null || (known !== null && JSON.stringify(told) === JSON.stringify(known))
}

function readUpdate(content: JsonObject, origin: ServerName): Update | null {
  const userId = userOf(content, origin)
  const deviceId = member(content, 'device_id')
  const streamId = member(content, 'stream_id')
  if (userId === null || typeof deviceId !== 'string' || !isDeviceIdText(deviceId) || !isCount(streamId)) return null
  const previous = member(content, 'prev_id') ?? []
  const isDeleted = member(content, 'deleted') === true
  return {
    userId,
    streamId,
    previous: Array.isArray(previous) ? previous.slice(0, PREVIOUS_MAX).filter(isCount) : [],
    deviceId: deviceId as DeviceId,
    device: isDeleted
      ? null
      : {
          deviceId: deviceId as DeviceId,
          keys: remoteDeviceKeys(member(content, 'keys'), userId, deviceId),
          displayName: remoteDisplayName(member(content, 'device_display_name')),
        },
  }
}

function userOf(content: JsonObject, origin: ServerName): UserId | null {
  const userId = member(content, 'user_id')
  const isOfOrigin =
    typeof userId === 'string' && isUserId(userId) && serverOf(userId) === origin && userId.isWellFormed()
  return isOfOrigin ? userId : null
}

function isCount(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
