import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Deadline } from '#services/time/deadline.ts'

it('counts down, and never up past what there was to wait', () => {
  let now = 1_000
  const deadline = new Deadline(() => now, 300)
  assert.equal(deadline.leftMs, 300)
  now = 1_299
  assert.equal(deadline.leftMs, 1)
  now = 1_300
  assert.equal(deadline.leftMs, 0)
  now = 0
  assert.equal(deadline.leftMs, 300)
})
