/** What other servers are told of a local user's devices and keys. */
import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type LocalUserKeys, readLocalKeys } from '#services/e2ee/local-keys.ts'
import type { ReadTx } from '#store/store.ts'
import type { DeviceListChange } from '#store/types/devices.ts'
import type { LatestEdu } from '#store/types/outbound.ts'

/** The name in the specification, and the one before it, which some servers listen to alone. */
const SIGNING_KEY_UPDATES = ['m.signing_key_update', 'org.matrix.signing_key_update']

export type DeviceListEdus = {
  readonly tx: ReadTx
  /** Whether other servers are told what users call their devices. */
  readonly tellsDeviceNames: boolean
}

/**
 * The EDUs that tell of a change, as things are by now. A server that gets only the last one about a device sees by
 * `prev_id` that it lacks some, and fetches the list.
 *
 * @param since the position of an earlier change, if what others were told last came just before that one
 */
export async function edusOf(
  { tx, tellsDeviceNames }: DeviceListEdus,
  change: DeviceListChange,
  userId: UserId,
  since = change.position,
): Promise<LatestEdu[]> {
  const keys = (await readLocalKeys(tx, [userId], null)).get(userId)
  if (change.deviceId === null) return signingKeyUpdates(userId, keys)
  const { deviceId, userNid, position } = change
  const device = await tx.devices.get(userNid, deviceId)
  const previous = await tx.devices.deviceChangeBefore(userNid, since)
  const published = keys?.devices.get(deviceId)
  const content: JsonObject = {
    user_id: userId,
    device_id: deviceId,
    // Each change of a device of the user refers to the one before it, whoever was told of that.
    stream_id: position,
    prev_id: previous === null ? [] : [previous.position],
    ...(device === null && { deleted: true }),
    ...(published !== undefined && { keys: published.keys }),
    ...(tellsDeviceNames && device?.displayName != null && { device_display_name: device.displayName }),
  }
  return [{ topic: `m.device_list_update ${userId} ${deviceId}`, edu: { edu_type: 'm.device_list_update', content } }]
}

/**
 * The EDUs for servers that begin to share a room with the user: the last update, which refers to one that they haven't
 * got, so that they fetch the list. None for a user without keys.
 */
export async function introductionOf(edus: DeviceListEdus, userId: UserId): Promise<LatestEdu[]> {
  const { tx } = edus
  const user = await tx.users.nid(userId)
  const keys = (await readLocalKeys(tx, [userId], null)).get(userId)
  if (user === null || keys === undefined || (keys.devices.size === 0 && keys.crossSigning.size === 0)) return []
  const last = await tx.devices.deviceChangeBefore(user, Number.MAX_SAFE_INTEGER)
  return last === null ? [] : edusOf(edus, last, userId)
}

function signingKeyUpdates(userId: UserId, keys: LocalUserKeys | undefined): LatestEdu[] {
  const master = keys?.crossSigning.get('master')
  const selfSigning = keys?.crossSigning.get('self_signing')
  if (master === undefined && selfSigning === undefined) return []
  const content: JsonObject = {
    user_id: userId,
    ...(master !== undefined && { master_key: master }),
    ...(selfSigning !== undefined && { self_signing_key: selfSigning }),
  }
  return SIGNING_KEY_UPDATES.map((type) => ({ topic: `${type} ${userId}`, edu: { edu_type: type, content } }))
}
