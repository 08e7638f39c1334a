import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RATE_LIMITS } from '#config/rate-limits.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { RateLimiter } from '#services/rate-limits/rate-limiter.ts'

function limiterAt(limits: { perSecond: number; burst: number } | false) {
  const clock = { now: 5_000_000 }
  const table = limits === false ? false : { ...RATE_LIMITS, message: limits }
  return { clock, limiter: new RateLimiter({ limits: table, clock: () => clock.now }) }
}

/** Milliseconds to wait as the refusal says; 0 where it passes. */
function waitOf(act: () => void): number {
  try {
    act()
    return 0
  } catch (error) {
    assert.ok(error instanceof MatrixError)
    assert.equal(error.errcode, 'M_LIMIT_EXCEEDED')
    return error.extra['retry_after_ms'] as number
  }
}

describe('a rate limit', () => {
  it('lets the burst pass and then one at a time', () => {
    const { clock, limiter } = limiterAt({ perSecond: 0.5, burst: 2 })
    const take = () => waitOf(() => limiter.take('message', 'a'))
    assert.deepEqual([take(), take(), take()], [0, 0, 2000])
    clock.now += 1500
    assert.equal(take(), 500)
    clock.now += 500
    assert.deepEqual([take(), take()], [0, 2000])
  })

  it('says a time after which it really passes', () => {
    const { clock, limiter } = limiterAt({ perSecond: 0.003, burst: 1 })
    limiter.take('message', 'a')
    clock.now += waitOf(() => limiter.take('message', 'a'))
    assert.equal(
      waitOf(() => limiter.take('message', 'a')),
      0,
    )
  })

  it('saves up no more than the burst', () => {
    const { clock, limiter } = limiterAt({ perSecond: 1, burst: 2 })
    clock.now += 1_000_000_000
    const take = () => waitOf(() => limiter.take('message', 'a')) === 0
    assert.deepEqual([take(), take(), take()], [true, true, false])
  })

  it('counts keys and limits apart', () => {
    const { limiter } = limiterAt({ perSecond: 1, burst: 1 })
    limiter.take('message', 'a')
    limiter.take('message', 'b')
    limiter.take('other', 'a')
    assert.ok(waitOf(() => limiter.take('message', 'a')) > 0)
  })

  it('takes back what was taken in advance, and no more than the burst', () => {
    const { limiter } = limiterAt({ perSecond: 1, burst: 2 })
    const take = () => waitOf(() => limiter.take('message', 'a')) === 0
    assert.deepEqual([take(), take(), take()], [true, true, false])
    limiter.giveBack('message', 'a')
    assert.deepEqual([take(), take()], [true, false])
    for (let i = 0; i < 5; i++) limiter.giveBack('message', 'a')
    assert.deepEqual([take(), take(), take()], [true, true, false])
    limiter.giveBack('message', 'unknown')
    assert.equal(limiter.size, 1)
  })

  it('holds when the clock is set back', () => {
    const { clock, limiter } = limiterAt({ perSecond: 1, burst: 1 })
    limiter.take('message', 'a')
    clock.now -= 60_000
    assert.equal(
      waitOf(() => limiter.take('message', 'a')),
      1000,
    )
    clock.now += 1000
    assert.equal(
      waitOf(() => limiter.take('message', 'a')),
      0,
    )
  })

  it('can be off', () => {
    const { limiter } = limiterAt(false)
    for (let i = 0; i < 1000; i++) limiter.take('loginPerAddress', 'a')
    assert.equal(limiter.size, 0)
  })

  it('remembers a bounded number of keys', () => {
    const { limiter } = limiterAt({ perSecond: 1, burst: 1 })
    for (let i = 0; i < 60_000; i++) limiter.take('message', String(i))
    assert.equal(limiter.size, 50_000)
  })
})
