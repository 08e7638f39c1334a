import { signableText } from '#core/event/sign.ts'
import type { DeviceId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { forbidden, missingParam } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import type { Consent } from '#services/accounts/uia/consent.ts'
import {
  crossSigningPublicKey,
  deviceSigningKey,
  ed25519KeyOf,
  invalidSignature,
  isSignedBy,
  signaturesOf,
  withSignaturesBy,
} from '#services/e2ee/signed-keys.ts'
import type { Store, Tx } from '#store/store.ts'
import type { CrossSigningKeyRow, CrossSigningUsage } from '#store/types/cross-signing-keys.ts'
import type { KeySignatureRow } from '#store/types/key-signatures.ts'

/** Keys of one user as uploaded, by what they are for. */
export type CrossSigningUpload = ReadonlyMap<CrossSigningUsage, JsonObject>

type PresentKeys = ReadonlyMap<CrossSigningUsage, CrossSigningKeyRow>

/** Cross-signing keys of this server's users. */
export class CrossSigning {
  readonly #store: Store

  constructor(deps: { readonly store: Store }) {
    this.#store = deps.store
  }

  /**
   * Publishes cross-signing keys (`/keys/device_signing/upload`). False where that needs the user's consent and it
   * wasn't given: then nothing is changed. Consent isn't needed for the first keys of a user, nor for keys that are
   * published already.
   *
   * @param consent null where the user hasn't authenticated for this
   * @throws MatrixError M_BAD_JSON, M_INVALID_PARAM, M_INVALID_SIGNATURE, M_MISSING_PARAM without a master key,
   * M_FORBIDDEN for a key that a device is named after
   */
  async upload(caller: Caller, upload: CrossSigningUpload, consent: Consent | null): Promise<boolean> {
    const { userId, userNid } = caller
    const keys = [...upload].map(([usage, key]): CrossSigningKeyRow => {
      return { userNid, usage, publicKey: crossSigningPublicKey(key, userId, usage), key }
    })
    const newMaster = keys.find(({ usage }) => usage === 'master')
    return this.#store.write(async (tx) => {
      await consent?.spend(tx)
      const present = new Map((await tx.crossSigningKeys.ofUsers([userNid])).map((row) => [row.usage, row]))
      const master = newMaster ?? present.get('master')
      if (master === undefined) throw missingParam('There is no master key yet, and none was given')
      const checked = keys.map((row) => ({ ...row, key: checkedKey(row, master, userId) }))
      const fresh = checked.filter((row) => !isSameKey(row, present.get(row.usage)))
      const signatures = newMaster === undefined ? [] : await deviceSignatures(tx, caller, newMaster)
      if (fresh.length === 0 && signatures.length === 0) return true
      if (fresh.length > 0) {
        await refuseDeviceIds(tx, caller, fresh)
        if (present.has('master') && consent === null) return false
        await replaceKeys(tx, caller, fresh, present)
      }
      await tx.keySignatures.put(signatures)
      await tx.devices.recordListChange(userNid, null)
      return true
    })
  }
}

/**
 * The key without signatures that others made or that weren't checked.
 * "Must be signed by the accompanying master signing key, or by the user's most recently uploaded master signing key."
 */
function checkedKey(row: CrossSigningKeyRow, master: CrossSigningKeyRow, userId: UserId): JsonObject {
  const signer = ed25519KeyOf(master.publicKey)
  const isSigned = isSignedBy(row.key, userId, signer)
  const hasSignature = signaturesOf(row.key, userId).some(([keyId]) => keyId === signer.keyId)
  if (!isSigned && (row.usage !== 'master' || hasSignature)) {
    throw invalidSignature(`The ${row.usage} key has no valid signature by the master key`)
  }
  return withSignaturesBy(row.key, userId, [signer.keyId])
}

function isSameKey(row: CrossSigningKeyRow, present: CrossSigningKeyRow | undefined): boolean {
  return present !== undefined && signableText(row.key) === signableText(present.key)
}

/** "The public key of one of the keys is the same as one of the user's device IDs." */
async function refuseDeviceIds(tx: Tx, { userNid }: Caller, keys: readonly CrossSigningKeyRow[]): Promise<void> {
  for (const { publicKey } of keys) {
    if ((await tx.devices.get(userNid, publicKey as DeviceId)) !== null) throw forbidden('Key ID in use by a device')
  }
}

/** Writes keys in the place of others, whose signatures go. A new master key leaves none of the keys it hasn't signed. */
async function replaceKeys(
  tx: Tx,
  { userNid }: Caller,
  keys: readonly CrossSigningKeyRow[],
  present: PresentKeys,
): Promise<void> {
  const usages = new Set(keys.map(({ usage }) => usage))
  const gone = usages.has('master')
    ? [...present.values()]
    : [...present.values()].filter((row) => usages.has(row.usage))
  if (gone.length > 0) {
    const publicKeys = gone.map(({ publicKey }) => publicKey)
    await tx.keySignatures.forget(userNid, publicKeys)
    await tx.crossSigningKeys.delete(
      userNid,
      gone.map(({ usage }) => usage),
    )
  }
  for (const row of keys) await tx.crossSigningKeys.put(row)
}

/** The signatures that the user's devices left on their master key, where they aren't known yet. */
async function deviceSignatures(tx: Tx, caller: Caller, master: CrossSigningKeyRow): Promise<KeySignatureRow[]> {
  const { userId, userNid } = caller
  const known = await tx.keySignatures.on([userNid], null)
  const found: KeySignatureRow[] = []
  for (const [signerKeyId, signature] of signaturesOf(master.key, userId)) {
    const deviceId = signerKeyId.slice('ed25519:'.length) as DeviceId
    const keys = signerKeyId.startsWith('ed25519:') ? await tx.deviceKeys.get(userNid, deviceId) : null
    const signer = keys === null ? null : deviceSigningKey(keys, deviceId)
    // By the master key itself, or by a device that has no keys here: nobody could tell whether it is forged.
    if (signer === null) continue
    if (typeof signature !== 'string' || !isSignedBy(master.key, userId, signer)) {
      throw invalidSignature(`The signature by ${signerKeyId} is wrong`)
    }
    const isKnown = known.some(
      (row) => row.targetKeyId === master.publicKey && row.signerKeyId === signerKeyId && row.signature === signature,
    )
    if (isKnown) continue
    found.push({ target: userNid, targetKeyId: master.publicKey, signer: userNid, signerKeyId, signature })
  }
  return found
}
