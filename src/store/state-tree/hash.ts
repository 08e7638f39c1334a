/** Keys are numbered in a row. Their hashes spread them over the tree; a bijection, so that no two keys share one. */
export function keyHash(key: number): number {
  return avalanche(key)
}

/**
 * What tells contents apart: the sum of one hash an entry, modulo 2^32 in each of two lanes. It doesn't depend on the
 * order of changes and follows each of them by one subtraction and one addition. Users can't choose short ids, so they
 * can't aim at a collision.
 */
export type Fingerprint = { readonly high: number; readonly low: number }

export const EMPTY_FINGERPRINT: Fingerprint = { high: 0, low: 0 }

/** The fingerprint after an entry was added (`sign` 1) or taken away (-1). */
export function withEntry(fingerprint: Fingerprint, sign: 1 | -1, key: number, event: number): Fingerprint {
  const eventHigh = Math.floor(event / 2 ** 32)
  const seed = avalanche(key ^ 0x2545f491)
  const low = avalanche(avalanche(seed ^ event) + eventHigh)
  const high = avalanche(
    avalanche((seed + 0x6a09e667) ^ Math.imul(event, 0x9e3779b1)) ^ Math.imul(eventHigh + 1, 0x85ebca77),
  )
  return { high: (fingerprint.high + sign * high) >>> 0, low: (fingerprint.low + sign * low) >>> 0 }
}

export function sameFingerprint(a: Fingerprint, b: Fingerprint): boolean {
  return a.high === b.high && a.low === b.low
}

/** Every bit of the result depends on every bit of the number; different numbers give different results. */
function avalanche(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
