import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { RoomId } from '#core/ids.ts'
import { type BackedUpKey, isBetter } from '#services/e2ee/key-backup.ts'

const keys = fc.record({
  roomId: fc.constant('!room:x' as RoomId),
  sessionId: fc.constant('s'),
  isVerified: fc.boolean(),
  firstMessageIndex: fc.nat(3),
  forwardedCount: fc.nat(3),
  sessionData: fc.constant({}),
}) satisfies fc.Arbitrary<BackedUpKey>

it('of two keys one is better, unless they are equal; so it never matters in which order they came', () => {
  fc.assert(
    fc.property(keys, keys, keys, (a, b, c) => {
      const isEqual = [a.isVerified, a.firstMessageIndex, a.forwardedCount].every(
        (value, i) => value === [b.isVerified, b.firstMessageIndex, b.forwardedCount][i],
      )
      assert.equal(isBetter(a, b) !== isBetter(b, a), !isEqual)
      if (isBetter(a, b) && isBetter(b, c)) assert.ok(isBetter(a, c))
    }),
  )
})

it('a verified key is better than all others, then one that begins earlier, then one that came by fewer hands', () => {
  const key = (isVerified: boolean, firstMessageIndex: number, forwardedCount: number): BackedUpKey => {
    return {
      roomId: '!room:x' as RoomId,
      sessionId: 's',
      isVerified,
      firstMessageIndex,
      forwardedCount,
      sessionData: {},
    }
  }
  const best = [key(true, 0, 0), key(true, 0, 1), key(true, 9, 0), key(false, 0, 0), key(false, 0, 9), key(false, 1, 0)]
  for (const [i, better] of best.entries()) {
    for (const worse of best.slice(i + 1)) assert.ok(isBetter(better, worse), JSON.stringify([better, worse]))
  }
})
