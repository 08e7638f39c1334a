/** What keys must look like to be published: checks of the objects that clients upload. */
import { decodeBase64, ED25519_KEY_BYTES, encodeBase64 } from '#core/crypto.ts'
import { verifyJson } from '#core/event/sign.ts'
import type { DeviceId, UserId } from '#core/ids.ts'
import { canonicalByteLength } from '#core/json/canonical.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson, invalidParam, MatrixError, tooLarge } from '#core/matrix-error.ts'
import type { CrossSigningUsage } from '#store/types/cross-signing-keys.ts'

/** The largest key object that is taken, as canonical JSON. */
export const KEY_BYTES_MAX = 65_536
const CURVE25519_KEY_BYTES = 32

export const invalidSignature = (message: string) => new MatrixError('M_INVALID_SIGNATURE', message)

/** A key by its public half. */
export type Ed25519Key = { readonly keyId: string; readonly bytes: Uint8Array }

/**
 * Checks a device's identity keys (definition DeviceKeys): they are the device's own, hold an Ed25519 key, and a
 * signature by it is right. Where there is none, clients alone decide what they make of that.
 *
 * @throws MatrixError M_BAD_JSON, M_INVALID_PARAM, M_INVALID_SIGNATURE, M_TOO_LARGE
 */
export function checkDeviceKeys(keys: JsonObject, userId: UserId, deviceId: DeviceId): void {
  if (canonicalByteLength(keys) > KEY_BYTES_MAX) throw tooLarge('The device keys are too large')
  if (member(keys, 'user_id') !== userId) throw invalidParam("'device_keys.user_id' must be your own user id")
  if (member(keys, 'device_id') !== deviceId) throw invalidParam("'device_keys.device_id' must be that of this device")
  const algorithms = member(keys, 'algorithms')
  if (!Array.isArray(algorithms) || !algorithms.every((algorithm) => typeof algorithm === 'string')) {
    throw badJson("'device_keys.algorithms' must be a list of strings")
  }
  const own = member(keys, 'keys')
  if (!isJsonObject(own)) throw badJson("'device_keys.keys' must be an object")
  for (const [keyId, key] of Object.entries(own)) {
    if (typeof key !== 'string') throw badJson(`The key '${keyId}' must be a string`)
    if (keyId.slice(keyId.indexOf(':') + 1) !== deviceId) throw invalidParam(`The key '${keyId}' isn't this device's`)
    if (keyId.startsWith('curve25519:') && decodeBase64(key)?.length !== CURVE25519_KEY_BYTES) {
      throw invalidParam(`The key '${keyId}' isn't a Curve25519 key`)
    }
  }
  const ed25519 = deviceSigningKey(keys, deviceId)
  if (ed25519 === null) throw invalidParam('The device keys hold no Ed25519 key')
  const isSigned = signaturesOf(keys, userId).some(([keyId]) => keyId === ed25519.keyId)
  if (isSigned && !isSignedBy(keys, userId, ed25519))
    throw invalidSignature("The device's signature on its keys is wrong")
}

/** The Ed25519 key of a device; null where there is none that makes sense. */
export function deviceSigningKey(keys: JsonObject, deviceId: DeviceId): Ed25519Key | null {
  const own = member(keys, 'keys')
  const keyId = `ed25519:${deviceId}`
  const key = isJsonObject(own) ? member(own, keyId) : undefined
  const bytes = typeof key === 'string' ? decodeBase64(key) : null
  return bytes?.length === ED25519_KEY_BYTES ? { keyId, bytes } : null
}

/**
 * Checks the form of a cross-signing key (definition CrossSigningKey) and returns its public half; its signatures are
 * not looked at.
 *
 * @throws MatrixError M_BAD_JSON, M_INVALID_PARAM, M_TOO_LARGE
 */
export function crossSigningPublicKey(key: JsonObject, userId: UserId, usage: CrossSigningUsage): string {
  if (canonicalByteLength(key) > KEY_BYTES_MAX) throw tooLarge('The cross-signing key is too large')
  if (member(key, 'user_id') !== userId) throw invalidParam("'user_id' of a cross-signing key must be your own user id")
  const usages = member(key, 'usage')
  if (!Array.isArray(usages) || !usages.includes(usage)) throw invalidParam(`A key's 'usage' must be ["${usage}"]`)
  const publicKey = publicKeyOf(key)
  if (publicKey === null) throw invalidParam('A cross-signing key must hold exactly one Ed25519 public key')
  return publicKey
}

/** "The object must have exactly one property": null where it hasn't, or its name and value differ. */
export function publicKeyOf(key: JsonObject): string | null {
  const keys = member(key, 'keys')
  const entries = isJsonObject(keys) ? Object.entries(keys) : []
  const [entry] = entries
  if (entry === undefined || entries.length > 1) return null
  const [keyId, text] = entry
  if (typeof text !== 'string' || keyId !== `ed25519:${text}`) return null
  const bytes = decodeBase64(text)
  // Unpadded, so that one key has one name.
  return bytes?.length === ED25519_KEY_BYTES && encodeBase64(bytes) === text ? text : null
}

export function ed25519KeyOf(publicKey: string): Ed25519Key {
  return { keyId: `ed25519:${publicKey}`, bytes: decodeBase64(publicKey) ?? new Uint8Array(0) }
}

/** Whether an object carries a valid signature by this key of the user's. */
export function isSignedBy(json: JsonObject, userId: UserId, { keyId, bytes }: Ed25519Key): boolean {
  return verifyJson(json, userId, (id) => (id === keyId ? bytes : undefined)) === 'valid'
}

/** The signatures of an object by a user, by key id. */
export function signaturesOf(json: JsonObject, userId: UserId): [keyId: string, signature: JsonValue][] {
  const signatures = member(json, 'signatures')
  const own = isJsonObject(signatures) ? member(signatures, userId) : undefined
  return isJsonObject(own) ? Object.entries(own) : []
}

/** The object with one user's signatures by these keys, and no others. */
export function withSignaturesBy(json: JsonObject, userId: UserId, keyIds: readonly string[]): JsonObject {
  const kept = signaturesOf(json, userId).filter(([keyId]) => keyIds.includes(keyId))
  const { unsigned: _unsigned, signatures: _signatures, ...rest } = json
  return { ...rest, ...(kept.length > 0 && { signatures: { [userId]: Object.fromEntries(kept) } }) }
}
