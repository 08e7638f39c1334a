import { sha256Base64 } from '#core/crypto.ts'
import { signableText } from '#core/event/sign.ts'
import { type DeviceId, fitsIdLimit } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson, invalidParam, type MatrixError, tooLarge } from '#core/matrix-error.ts'
import type { ReadTx, Tx } from '#store/store.ts'
import type { PublishedKey } from '#store/types/one-time-keys.ts'
import type { UserNid } from '#store/types/users.ts'

/** How many one-time keys of a device may wait to be claimed: clients keep up to a hundred. */
export const ONE_TIME_KEYS_MAX = 1_000
/** The largest one-time or fallback key, as canonical JSON. */
const ONE_TIME_KEY_BYTES_MAX = 8_192

/** How many one-time keys wait to be claimed, by algorithm. */
export type KeyCounts = Readonly<Record<string, number>>

type OneTimeKey = PublishedKey & { readonly digest: string }

/** Reads an uploaded map of one-time keys. @throws MatrixError M_BAD_JSON, M_INVALID_PARAM, M_TOO_LARGE */
export function oneTimeKeysOf(uploaded: JsonObject): OneTimeKey[] {
  const entries = Object.entries(uploaded)
  if (entries.length > ONE_TIME_KEYS_MAX) throw tooMany()
  return entries.map(([name, key]) => oneTimeKey(name, key))
}

/** Reads an uploaded map of fallback keys. @throws MatrixError as `oneTimeKeysOf` does */
export function fallbackKeysOf(uploaded: JsonObject): OneTimeKey[] {
  const keys = oneTimeKeysOf(uploaded)
  // "There can only be at most one key per algorithm uploaded."
  const algorithms = new Set(keys.map(({ algorithm }) => algorithm))
  if (algorithms.size < keys.length) throw invalidParam('There can be only one fallback key of an algorithm')
  return keys
}

function tooMany(): MatrixError {
  return tooLarge(`A device can have at most ${ONE_TIME_KEYS_MAX} one-time keys`)
}

function oneTimeKey(name: string, key: JsonValue): OneTimeKey {
  const colon = name.indexOf(':')
  const [algorithm, keyId] = [name.slice(0, Math.max(colon, 0)), name.slice(colon + 1)]
  if (algorithm === '' || keyId === '') throw invalidParam("One-time keys are named '<algorithm>:<key id>'")
  if (!fitsIdLimit(name) || !name.isWellFormed() || name.includes('\0')) throw invalidParam('A bad name of a key')
  if (isJsonObject(key)) {
    if (typeof member(key, 'key') !== 'string') throw badJson(`'key' of '${name}' must be a string`)
    if (!isJsonObject(member(key, 'signatures'))) throw badJson(`'signatures' of '${name}' must be an object`)
  } else if (typeof key !== 'string') {
    throw badJson(`The key '${name}' must be a string or an object`)
  }
  const text = canonicalJson(key)
  if (Buffer.byteLength(text) > ONE_TIME_KEY_BYTES_MAX) throw tooLarge(`The key '${name}' is too large`)
  return { algorithm, keyId, key, digest: digestOf(key) }
}

/** What makes a key the same one. A client that signs it again for another upload gets other signatures. */
function digestOf(key: JsonValue): string {
  if (!isJsonObject(key)) return sha256Base64(canonicalJson(key))
  return sha256Base64(signableText(key))
}

/**
 * Adds one-time keys. Those that were uploaded before are left alone, whether they wait or were given out: "servers must
 * ensure that each one-time key is only claimed once".
 *
 * @throws MatrixError M_INVALID_PARAM for an id that stands for another key; M_TOO_LARGE for too many of them
 */
export async function addOneTimeKeys(
  tx: Tx,
  user: UserNid,
  deviceId: DeviceId,
  keys: readonly OneTimeKey[],
): Promise<void> {
  if (keys.length === 0) return
  const keyIds = keys.map(({ keyId }) => keyId)
  const known = new Map<string, string>()
  for (const { algorithm, keyId, digest } of await tx.oneTimeKeys.known(user, deviceId, keyIds)) {
    known.set(`${algorithm}:${keyId}`, digest)
  }
  const added = keys.filter(({ algorithm, keyId, digest }) => {
    const before = known.get(`${algorithm}:${keyId}`)
    if (before !== undefined && before !== digest) {
      throw invalidParam(`One time key ${algorithm}:${keyId} already exists, and is another one`)
    }
    return before === undefined
  })
  if (added.length === 0) return
  const counts = await tx.oneTimeKeys.counts(user, deviceId)
  const waiting = [...counts.values()].reduce((sum, count) => sum + count, 0)
  if (waiting + added.length > ONE_TIME_KEYS_MAX) throw tooMany()
  await tx.oneTimeKeys.add(user, deviceId, added)
}

/**
 * Sets fallback keys in the place of those of the same algorithm. One that is published already stays as used as it is.
 * @throws MatrixError M_INVALID_PARAM for the id of the present one with another key
 */
export async function putFallbackKeys(
  tx: Tx,
  user: UserNid,
  deviceId: DeviceId,
  keys: readonly OneTimeKey[],
): Promise<void> {
  if (keys.length === 0) return
  const present = new Map((await tx.oneTimeKeys.fallbackKeys(user, deviceId)).map((key) => [key.algorithm, key]))
  for (const key of keys) {
    const before = present.get(key.algorithm)
    if (before?.keyId !== key.keyId) await tx.oneTimeKeys.putFallback(user, deviceId, key)
    else if (digestOf(before.key) !== key.digest) {
      throw invalidParam(`Fallback key ${key.algorithm}:${key.keyId} already exists, and is another one`)
    }
  }
}

/**
 * The counts as clients are told them (`one_time_key_counts`, `device_one_time_keys_count`). "If an algorithm is not
 * listed, the count is assumed zero", but some clients make new keys only when they are told of the zero.
 */
export async function oneTimeKeyCounts(tx: ReadTx, user: UserNid, deviceId: DeviceId): Promise<KeyCounts> {
  return Object.fromEntries([['signed_curve25519', 0], ...(await tx.oneTimeKeys.counts(user, deviceId))])
}
