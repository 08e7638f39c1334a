import type { DeviceId, UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import type { ReadTx } from '#store/store.ts'
import type { CrossSigningUsage } from '#store/types/cross-signing-keys.ts'
import type { KeySignatureRow } from '#store/types/key-signatures.ts'
import type { UserNid } from '#store/types/users.ts'

/** A device's keys with all signatures that the viewer may see. */
export type LocalDevice = { readonly keys: JsonObject; readonly displayName: string | null }

/** The keys of a local user, with all signatures that the viewer may see. */
export type LocalUserKeys = {
  /** Those that have keys, by device id. */
  readonly devices: ReadonlyMap<DeviceId, LocalDevice>
  /** The user-signing key only where the viewer is the user. */
  readonly crossSigning: ReadonlyMap<CrossSigningUsage, JsonObject>
}

/**
 * The keys of those of the users who have an account here that is still open.
 * "Users will not be able to see signatures made by other users' user-signing keys": signatures are shown that the
 * owner of the key made, and those of the viewer.
 *
 * @param viewer null for another server
 */
export async function readLocalKeys(
  tx: ReadTx,
  userIds: readonly UserId[],
  viewer: UserNid | null,
): Promise<Map<UserId, LocalUserKeys>> {
  const users = new Map<UserNid, UserId>()
  for (const userId of userIds) {
    const nid = await tx.users.nid(userId)
    const account = nid === null ? null : await tx.accounts.get(nid)
    if (account !== null && account.deactivatedTs === null) users.set(account.userNid, userId)
  }
  const nids = [...users.keys()]
  const deviceKeys = Map.groupBy(await tx.deviceKeys.ofUsers(nids), ({ userNid }) => userNid)
  const crossSigning = Map.groupBy(await tx.crossSigningKeys.ofUsers(nids), ({ userNid }) => userNid)
  const signatures = await readSignatures(tx, nids, viewer)
  const found = new Map<UserId, LocalUserKeys>()
  for (const [nid, userId] of users) {
    const signed = (keyId: string, key: JsonObject) => signatures.addTo(key, nid, keyId)
    const visible = (crossSigning.get(nid) ?? []).filter(({ usage }) => usage !== 'user_signing' || nid === viewer)
    found.set(userId, {
      devices: new Map(
        (deviceKeys.get(nid) ?? []).map(({ deviceId, keys, displayName }) => [
          deviceId,
          { keys: signed(deviceId, keys), displayName },
        ]),
      ),
      crossSigning: new Map(visible.map(({ usage, publicKey, key }) => [usage, signed(publicKey, key)])),
    })
  }
  return found
}

/** Signatures that were uploaded on the keys of some users, as one viewer sees them. */
export class VisibleSignatures {
  readonly #byKey: ReadonlyMap<string, readonly KeySignatureRow[]>
  readonly #signers: ReadonlyMap<UserNid, UserId>

  constructor(rows: readonly KeySignatureRow[], signers: ReadonlyMap<UserNid, UserId>) {
    this.#byKey = Map.groupBy(rows, ({ target, targetKeyId }) => `${target}/${targetKeyId}`)
    this.#signers = signers
  }

  /** The key of a user with these signatures added to its own. */
  addTo(key: JsonObject, user: UserNid, keyId: string): JsonObject {
    const rows = this.#byKey.get(`${user}/${keyId}`)
    if (rows === undefined) return key
    const present = member(key, 'signatures')
    let signatures: JsonObject = isJsonObject(present) ? present : {}
    for (const { signer, signerKeyId, signature } of rows) {
      const signerId = this.#signers.get(signer)!
      const own = member(signatures, signerId)
      signatures = { ...signatures, [signerId]: { ...(isJsonObject(own) ? own : {}), [signerKeyId]: signature } }
    }
    return { ...key, signatures }
  }
}

/** The signatures on the keys of these users that the viewer may see; of other servers' users, those of the viewer. */
export async function readSignatures(
  tx: ReadTx,
  users: readonly UserNid[],
  viewer: UserNid | null,
): Promise<VisibleSignatures> {
  const rows = await tx.keySignatures.on(users, viewer)
  return new VisibleSignatures(rows, await tx.users.userIds([...new Set(rows.map(({ signer }) => signer))]))
}
