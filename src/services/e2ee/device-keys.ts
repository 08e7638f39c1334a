import { signableText } from '#core/event/sign.ts'
import type { DeviceId, UserId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { invalidParam, unknownToken } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import {
  addOneTimeKeys,
  fallbackKeysOf,
  type KeyCounts,
  oneTimeKeyCounts,
  oneTimeKeysOf,
  putFallbackKeys,
} from '#services/e2ee/one-time-keys.ts'
import {
  checkDeviceKeys,
  ed25519KeyOf,
  invalidSignature,
  isSignedBy,
  signaturesOf,
  withSignaturesBy,
} from '#services/e2ee/signed-keys.ts'
import type { Store, Tx } from '#store/store.ts'
import type { KeySignatureRow } from '#store/types/key-signatures.ts'
import type { UserNid } from '#store/types/users.ts'

/** What a device publishes at once (`/keys/upload`). */
export type KeyUpload = {
  readonly deviceKeys: JsonObject | null
  readonly oneTimeKeys: JsonObject
  readonly fallbackKeys: JsonObject
}

/** A device and whose it is. */
export type OwnDevice = { readonly userId: UserId; readonly userNid: UserNid; readonly deviceId: DeviceId }

/** Publishes the keys of devices. */
export class DeviceKeys {
  readonly #store: Store

  constructor(deps: { readonly store: Store }) {
    this.#store = deps.store
  }

  /**
   * Publishes keys of the caller's device, all or none. What was published already may be sent again. Returns how many
   * one-time keys wait to be claimed.
   *
   * @throws MatrixError M_INVALID_PARAM, also for an id under which another one-time key was published; M_BAD_JSON,
   * M_INVALID_SIGNATURE, M_TOO_LARGE
   */
  async upload({ userId, userNid, deviceId }: Caller, upload: KeyUpload): Promise<KeyCounts> {
    if (deviceId === null) throw invalidParam('Only a device has keys, and this access token belongs to none')
    const device = { userId, userNid, deviceId }
    const publish = checkedUpload(device, upload)
    return this.#store.write(async (tx) => {
      // The session may have ended since the token was checked.
      if ((await tx.devices.get(userNid, deviceId)) === null) throw unknownToken('The device has been deleted')
      await publish(tx)
      return oneTimeKeyCounts(tx, userNid, deviceId)
    })
  }
}

/**
 * Checks what a device publishes, and returns the function that writes it.
 * @throws MatrixError M_INVALID_PARAM, M_BAD_JSON, M_INVALID_SIGNATURE, M_TOO_LARGE
 */
export function checkedUpload(device: OwnDevice, upload: KeyUpload): (tx: Tx) => Promise<void> {
  const { userId, userNid, deviceId } = device
  const { deviceKeys } = upload
  if (deviceKeys !== null) checkDeviceKeys(deviceKeys, userId, deviceId)
  const oneTimeKeys = oneTimeKeysOf(upload.oneTimeKeys)
  const fallbackKeys = fallbackKeysOf(upload.fallbackKeys)
  return async (tx) => {
    if (deviceKeys !== null) await putDeviceKeys(tx, device, deviceKeys)
    await addOneTimeKeys(tx, userNid, deviceId, oneTimeKeys)
    await putFallbackKeys(tx, userNid, deviceId, fallbackKeys)
  }
}

/**
 * Writes a device's identity keys. Those of a client that lost its store and keeps its access token are other keys under
 * the same ids. Others, who verified the device perhaps, are told of them by the list of devices; it is for clients to
 * warn.
 */
async function putDeviceKeys(tx: Tx, device: OwnDevice, uploaded: JsonObject): Promise<void> {
  const { userId, userNid, deviceId } = device
  // `signatures` is required of an answer, also where there is none.
  const keys = { signatures: {}, ...withSignaturesBy(uploaded, userId, [`ed25519:${deviceId}`]) }
  const present = await tx.deviceKeys.get(userNid, deviceId)
  const isSigned = signaturesOf(keys, userId).length > 0
  // Signatures by others cover the whole object, not the keys alone, and none of the device's own signatures.
  const isSameText = present !== null && signableText(present) === signableText(keys)
  const isSame = isSameText && (!isSigned || canonicalJson(present) === canonicalJson(keys))
  if (present !== null && !isSameText) await tx.keySignatures.forget(userNid, [deviceId])
  // The private halves of the one-time keys went with those of the identity keys, and their ids begin anew.
  if (present !== null && replacesKeys(present, keys)) await tx.oneTimeKeys.forget(userNid, deviceId)
  const signatures = await crossSignatures(tx, device, uploaded)
  if (isSame && signatures.length === 0) return
  if (!isSame) await tx.deviceKeys.put(userNid, deviceId, keys)
  await tx.keySignatures.put(signatures)
  await tx.devices.recordListChange(userNid, deviceId)
}

/** Whether an id stands for another key than before, or for none. */
function replacesKeys(present: JsonObject, uploaded: JsonObject): boolean {
  const before = member(present, 'keys') as JsonObject
  const now = member(uploaded, 'keys') as JsonObject
  return Object.entries(before).some(([keyId, key]) => member(now, keyId) !== key)
}

/**
 * The signature that the user's self-signing key left on the device's keys, where it isn't known yet. What others
 * signed is for `/keys/signatures/upload`.
 */
async function crossSignatures(tx: Tx, device: OwnDevice, uploaded: JsonObject): Promise<KeySignatureRow[]> {
  const { userId, userNid, deviceId } = device
  const own = await tx.crossSigningKeys.ofUsers([userNid])
  const selfSigning = own.find(({ usage }) => usage === 'self_signing')
  if (selfSigning === undefined) return []
  const key = ed25519KeyOf(selfSigning.publicKey)
  const signature = signaturesOf(uploaded, userId).find(([keyId]) => keyId === key.keyId)?.[1]
  if (signature === undefined) return []
  if (typeof signature !== 'string' || !isSignedBy(uploaded, userId, key)) {
    throw invalidSignature('The signature by the self-signing key is wrong')
  }
  const row = { target: userNid, targetKeyId: deviceId, signer: userNid, signerKeyId: key.keyId, signature }
  const known = await tx.keySignatures.on([userNid], null)
  return known.some((other) => isSameSignature(other, row)) ? [] : [row]
}

function isSameSignature(a: KeySignatureRow, b: KeySignatureRow): boolean {
  return a.targetKeyId === b.targetKeyId && a.signerKeyId === b.signerKeyId && a.signature === b.signature
}
