import assert from 'node:assert/strict'
import { it } from 'node:test'
import { leftOf, NO_SPAN } from '#services/time/span.ts'

it('a span ends when its time has passed, or the clock was put back before it', () => {
  const span = { sinceTs: 1_000, ms: 50 }
  assert.deepEqual(
    [1_000, 1_049, 1_050, 9_000, 999].map((now) => leftOf(span, now)),
    [50, 1, 0, 0, 0],
  )
  assert.equal(leftOf(NO_SPAN, 1), 0)
})
