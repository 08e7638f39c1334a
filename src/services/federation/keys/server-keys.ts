/** What servers say of their keys (server-server API, "Publishing Keys"), and when a key may be believed. */
import { decodeBase64, ED25519_KEY_BYTES } from '#core/crypto.ts'
import { verifyJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { CLIENT_DEPTH_MAX } from '#core/json/parse.ts'
import { scanJson } from '#core/json/scan.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { ServerKeyRow } from '#store/types/server-keys.ts'

/** The longest answer about one server's keys that is read. */
export const KEYS_BYTES_MAX = 64 * 1024
/** "Servers MUST use the lesser of this field and 7 days into the future." */
export const KEY_VALID_MS_MAX = 7 * 24 * 3_600_000
const KEYS_MAX = 100
/** Printable, so that it can stand in headers and in the database. */
const KEY_ID = /^ed25519:[!-~]{1,247}$/

/** A server's own word about its keys, checked by itself. */
export type ServerKeys = {
  readonly server: ServerName
  readonly json: JsonObject
  /** As stated, which may be far too late. */
  readonly validUntilTs: number
  readonly current: ReadonlyMap<string, Uint8Array>
  readonly old: ReadonlyMap<string, { readonly key: Uint8Array; readonly expiredTs: number }>
}

/** Reads an answer about `server`; a text says what is wrong with it. */
export function readServerKeys(json: JsonValue | undefined, server: ServerName): ServerKeys | string {
  if (!isJsonObject(json)) return 'is no JSON object'
  // It is kept and passed on, by those too who walk through JSON recursively.
  if (scanJson(canonicalJson(json), CLIENT_DEPTH_MAX).tooDeep) return 'nests too deep'
  if (member(json, 'server_name') !== server) return "'server_name' is another server"
  const validUntilTs = member(json, 'valid_until_ts')
  if (!isTimestamp(validUntilTs)) return "'valid_until_ts' is no time"
  const current = readKeys(member(json, 'verify_keys') ?? null)
  const old = readKeys(member(json, 'old_verify_keys') ?? {})
  if (current === null || old === null) return 'holds a key that is malformed, or too many keys'
  for (const [keyId, { expiredTs }] of old) {
    if (expiredTs === null) return `'expired_ts' of ${JSON.stringify(keyId)} is no time`
  }
  // A key in both lists is an old one: believed less.
  const inUse = new Map([...current].filter(([keyId]) => !old.has(keyId)).map(([keyId, { key }]) => [keyId, key]))
  const verdict = verifyJson(json, server, (keyId) => inUse.get(keyId))
  if (verdict !== 'valid') return `its signature is not valid (${verdict})`
  return { server, json, validUntilTs, current: inUse, old: old as ServerKeys['old'] }
}

type ReadKey = { readonly key: Uint8Array; readonly expiredTs: number | null }

/** The Ed25519 keys of a list; other algorithms are for those who know them. null where one is malformed. */
function readKeys(list: JsonValue): Map<string, ReadKey> | null {
  if (!isJsonObject(list)) return null
  const entries = Object.entries(list).filter(([keyId]) => KEY_ID.test(keyId))
  if (entries.length > KEYS_MAX) return null
  const keys = new Map<string, ReadKey>()
  for (const [keyId, entry] of entries) {
    const text = isJsonObject(entry) ? member(entry, 'key') : undefined
    const key = typeof text === 'string' ? decodeBase64(text) : null
    if (key === null || key.length !== ED25519_KEY_BYTES) return null
    const expiredTs = isJsonObject(entry) ? member(entry, 'expired_ts') : undefined
    keys.set(keyId, { key, expiredTs: isTimestamp(expiredTs) ? expiredTs : null })
  }
  return keys
}

function isTimestamp(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** The keys as they are believed from `now` on. */
export function keyRows({ validUntilTs, current, old }: ServerKeys, now: number): ServerKeyRow[] {
  const until = Math.min(validUntilTs, now + KEY_VALID_MS_MAX)
  return [
    ...[...current].map(([keyId, key]) => ({ keyId, key, validUntilTs: until, expiredTs: null })),
    ...[...old].map(([keyId, { key, expiredTs }]) => ({ keyId, key, validUntilTs: expiredTs, expiredTs })),
  ]
}

/**
 * Whether a key may have signed an event of that time; null stands for any time, in room versions that don't ask
 * ("this field MUST be ignored in room versions 1, 2, 3, and 4").
 */
export function fitsEvent(key: ServerKeyRow, originServerTs: number | null): boolean {
  return originServerTs === null || originServerTs <= (key.expiredTs ?? key.validUntilTs)
}

/** Whether a key may sign a request now: "`old_verify_keys` are only valid for signing events". */
export function fitsRequest(key: ServerKeyRow, now: number): boolean {
  return key.expiredTs === null && now <= key.validUntilTs
}
