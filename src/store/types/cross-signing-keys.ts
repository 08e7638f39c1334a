import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

export type CrossSigningUsage = 'master' | 'self_signing' | 'user_signing'

export type CrossSigningKeyRow = {
  readonly userNid: UserNid
  readonly usage: CrossSigningUsage
  /** In unpadded base64; what follows `ed25519:` in the key's id. */
  readonly publicKey: string
  /** As uploaded (definition CrossSigningKey). */
  readonly key: JsonObject
}

export interface CrossSigningKeyReader {
  /** User-signing keys among them, which only their owners may see. */
  ofUsers(users: readonly UserNid[]): Promise<CrossSigningKeyRow[]>
}

/** Cross-signing keys of local users. */
export interface CrossSigningKeyStore extends CrossSigningKeyReader {
  /** Adds or replaces. The caller records the change of the user's device list (`tx.devices`). */
  put(key: CrossSigningKeyRow): Promise<void>
  delete(user: UserNid, usages: readonly CrossSigningUsage[]): Promise<void>
}
