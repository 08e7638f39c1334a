/**
 * Keys chosen so that they share the buckets of hash tables. Most texts are hashed with a secret of the process, so nobody
 * can choose them; V8 has hashed texts that are integers by their value, which everybody can.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canonicalJson } from '#core/json/canonical.ts'
import { parseJson } from '#core/json/parse.ts'

const KEYS = 30_000
const TRIES = 3
/** Quadratic cost would be hundreds of times the usual one. */
const TIMES_MAX = 8
/** Below this, what is measured is noise. */
const FLOOR_US = 20_000

/** Families of texts whose hashes would agree in their low bits, were they made of the values. */
const FAMILIES: Readonly<Record<string, (index: number) => string>> = {
  'multiples of 2^8': (index) => String(index * 2 ** 8),
  'multiples of 2^12': (index) => String(index * 2 ** 12),
  'multiples of 2^16': (index) => String(index * 2 ** 16),
  'multiples of 2^24': (index) => String(index * 2 ** 24),
  'multiples of 2^32': (index) => String(index * 2 ** 32),
  'negative multiples of 2^16': (index) => String(-index * 2 ** 16),
  'integers with an end': (index) => `${index * 2 ** 16}.0`,
  'texts of zeros': (index) => `${'0'.repeat(index % 300)}${index * 2 ** 16}`,
}

/** The least processor time that something took, in µs. */
function cost(work: () => void): number {
  let least = Number.POSITIVE_INFINITY
  for (let n = 0; n < TRIES; n += 1) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, user + system)
  }
  return least
}

/** What is done with the keys of a body: they are read, looked up, put into maps, and written. */
function handle(keys: readonly string[]): () => void {
  const text = Buffer.from(`{${keys.map((key) => `${JSON.stringify(key)}:0`).join(',')}}`)
  return () => {
    const object = parseJson(text, { depthMax: 10, lossless: true })
    canonicalJson(object)
    const map = new Map(Object.entries(object as object))
    for (const key of keys) assert.equal(map.has(key), true)
  }
}

describe('keys that are made to collide', () => {
  const usual = cost(handle(Array.from({ length: KEYS }, (_, index) => `key-${index * 7}`)))
  for (const [name, make] of Object.entries(FAMILIES)) {
    it(`cost no more than others: ${name}`, (test) => {
      const spent = cost(handle(Array.from({ length: KEYS }, (_, index) => make(index + 1))))
      test.diagnostic(`${(spent / 1_000).toFixed(1)} ms, usually ${(usual / 1_000).toFixed(1)} ms`)
      assert.ok(spent < Math.max(usual, FLOOR_US) * TIMES_MAX, `${spent} µs instead of ${usual}`)
    })
  }
})
