/** What of other servers' answers about keys is kept and passed on. Clients check the signatures. */
import type { DeviceId, UserId } from '#core/ids.ts'
import { canonicalByteLength } from '#core/json/canonical.ts'
import { isWithinDepth } from '#core/json/depth.ts'
import { CLIENT_DEPTH_MAX } from '#core/json/parse.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { KEY_BYTES_MAX } from '#services/e2ee/signed-keys.ts'

/** The keys of a device, where that is what they are; else null. Some servers write empty ones for a device without any. */
export function remoteDeviceKeys(
  value: JsonValue | undefined,
  userId: UserId,
  deviceId: DeviceId | string,
): JsonObject | null {
  const keys = keyObject(value, userId)
  const isOfDevice = keys !== null && member(keys, 'device_id') === deviceId
  return isOfDevice && Object.keys(member(keys, 'keys') as JsonObject).length > 0 ? keys : null
}

/** A cross-signing key of that kind, where that is what it is; else null. */
export function remoteSigningKey(
  value: JsonValue | undefined,
  userId: UserId,
  usage: 'master' | 'self_signing',
): JsonObject | null {
  const key = keyObject(value, userId)
  const usages = key === null ? undefined : member(key, 'usage')
  return Array.isArray(usages) && usages.includes(usage) ? key : null
}

function keyObject(value: JsonValue | undefined, userId: UserId): JsonObject | null {
  if (!isJsonObject(value) || member(value, 'user_id') !== userId || !isJsonObject(member(value, 'keys'))) return null
  return isSmall(value) ? value : null
}

/** Whether it can be kept, and be in an answer to a client. */
export function isSmall(value: JsonValue): boolean {
  return isWithinDepth(value, CLIENT_DEPTH_MAX) && canonicalByteLength(value) <= KEY_BYTES_MAX
}

const DISPLAY_NAME_BYTES_MAX = 256

/** A display name that can be kept; null for none. */
export function remoteDisplayName(value: JsonValue | undefined): string | null {
  if (typeof value !== 'string' || Buffer.byteLength(value) > DISPLAY_NAME_BYTES_MAX) return null
  return value.isWellFormed() && !value.includes('\0') ? value : null
}
