import type { DeviceId } from '#core/ids.ts'
import type { JsonValue } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

/** A one-time or fallback key: published under `<algorithm>:<keyId>`. */
export type PublishedKey = {
  readonly algorithm: string
  readonly keyId: string
  /** As uploaded (definition OneTimeKeys). */
  readonly key: JsonValue
}

/** A key id that a device has used: for a key that waits to be claimed, or for one that was claimed not too long ago. */
export type KnownOneTimeKey = {
  readonly algorithm: string
  readonly keyId: string
  /** SHA-256 of the key's canonical JSON without signatures, in base64. */
  readonly digest: string
}

export interface OneTimeKeyReader {
  /** How many keys wait to be claimed, by algorithm. Algorithms without any are absent. */
  counts(user: UserNid, deviceId: DeviceId): Promise<Map<string, number>>
  /** The algorithms whose fallback key hasn't been given out, in order. */
  unusedFallbackTypes(user: UserNid, deviceId: DeviceId): Promise<string[]>
  /** The device's fallback keys, one for each algorithm. */
  fallbackKeys(user: UserNid, deviceId: DeviceId): Promise<PublishedKey[]>
  /** Those of the device's one-time key ids that are known. */
  known(user: UserNid, deviceId: DeviceId, keyIds: readonly string[]): Promise<KnownOneTimeKey[]>
}

/** One-time and fallback keys of local users' devices. They go when the device goes. */
export interface OneTimeKeyStore extends OneTimeKeyReader {
  /** Adds keys whose ids aren't `known`, to be given out in this order. The device must exist. */
  add(user: UserNid, deviceId: DeviceId, keys: readonly (PublishedKey & { readonly digest: string })[]): Promise<void>
  /** Sets the fallback key of its algorithm, unused. */
  putFallback(user: UserNid, deviceId: DeviceId, key: PublishedKey): Promise<void>
  /**
   * The oldest one-time key, which nobody gets again; where there is none, the fallback key, which counts as used from
   * now on; null where there is neither.
   */
  claim(user: UserNid, deviceId: DeviceId, algorithm: string): Promise<PublishedKey | null>
  /** Forgets the device's one-time keys, those given out too, and its fallback keys. */
  forget(user: UserNid, deviceId: DeviceId): Promise<void>
}
