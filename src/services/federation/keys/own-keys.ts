/** The keys that this server publishes. */
import { encodeBase64 } from '#core/crypto.ts'
import { type Signer, signJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { ServerKeyRow } from '#store/types/server-keys.ts'

const VALID_MS = 7 * 24 * 3_600_000
/** "Servers should avoid returning responses that expire in less than an hour": these have days left. */
const RENEWED_MS = 3_600_000

/** A key that this server signed with once. */
export type OldKey = { readonly keyId: string; readonly publicKey: Uint8Array; readonly expiredTs: number }

type Deps = { readonly signer: Signer; readonly oldKeys: readonly OldKey[]; readonly clock: () => number }

export class OwnKeys {
  readonly serverName: ServerName
  readonly #deps: Deps
  #document: { readonly json: JsonObject; readonly madeTs: number } | null = null

  constructor(deps: Deps) {
    this.#deps = deps
    this.serverName = deps.signer.name as ServerName
  }

  /** The answer to `GET /_matrix/key/v2/server`. */
  document(): JsonObject {
    const now = this.#deps.clock()
    const made = this.#document
    if (made !== null && now >= made.madeTs && now < made.madeTs + RENEWED_MS) return made.json
    const json = this.#make(now)
    this.#document = { json, madeTs: now }
    return json
  }

  /** The same keys, as they are believed of others. */
  rows(): ServerKeyRow[] {
    const { signer, oldKeys } = this.#deps
    const current = {
      keyId: signer.keyId,
      key: signer.publicKey,
      validUntilTs: Number.MAX_SAFE_INTEGER,
      expiredTs: null,
    }
    const old = oldKeys.map(({ keyId, publicKey, expiredTs }) => ({
      keyId,
      key: publicKey,
      validUntilTs: expiredTs,
      expiredTs,
    }))
    return [current, ...old]
  }

  #make(now: number): JsonObject {
    const { signer, oldKeys } = this.#deps
    const old = oldKeys.map(({ keyId, publicKey, expiredTs }) => [
      keyId,
      { key: encodeBase64(publicKey), expired_ts: expiredTs },
    ])
    const keys = {
      server_name: signer.name,
      verify_keys: { [signer.keyId]: { key: encodeBase64(signer.publicKey) } },
      old_verify_keys: Object.fromEntries(old),
      valid_until_ts: now + VALID_MS,
    }
    return signJson(keys, signer)
  }
}
