import type { UserNid } from '#store/types/users.ts'

/** A signature that was uploaded for a key after the key itself (`/keys/signatures/upload`). */
export type KeySignatureRow = {
  /** Whose key is signed: a local user's, or for `signer`'s eyes alone another server's. */
  readonly target: UserNid
  /** Which key: a device id, or the public key of a cross-signing key. */
  readonly targetKeyId: string
  /** A local user. */
  readonly signer: UserNid
  /** `ed25519:` and a device id or public key. */
  readonly signerKeyId: string
  readonly signature: string
}

export interface KeySignatureReader {
  /** On the keys of these users: signatures by the owner of the key, and by `viewer` (null for nobody). */
  on(targets: readonly UserNid[], viewer: UserNid | null): Promise<KeySignatureRow[]>
  /** Whose keys the signer signed at `from < position ≤ to`, but for the signer's own: to nobody else is it a change. */
  changedTargets(signer: UserNid, from: number, to: number): Promise<UserNid[]>
}

/** Signatures by local users. Those by and of a device go when the device goes. */
export interface KeySignatureStore extends KeySignatureReader {
  /**
   * Adds signatures, or replaces those by the same key. Signatures on other users' keys take a stream position for the
   * signer alone; for the signer's own keys the caller records the change of the device list (`tx.devices`).
   */
  put(signatures: readonly KeySignatureRow[]): Promise<void>
  /** Deletes signatures on and by these keys (device ids, or public keys) of one user: the keys are no more. */
  forget(user: UserNid, keyIds: readonly string[]): Promise<void>
}
