import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isWithinDepth } from '#core/json/depth.ts'
import type { JsonValue } from '#core/json/value.ts'

test('depth counts arrays and objects, whatever their number', () => {
  const nested = (depth: number): JsonValue =>
    depth === 0 ? 1 : depth % 2 === 0 ? [nested(depth - 1)] : { a: nested(depth - 1) }
  for (const depth of [0, 1, 2, 100]) {
    assert.equal(isWithinDepth(nested(depth), depth), true)
    assert.equal(isWithinDepth(nested(depth + 1), depth), false)
  }
  assert.equal(isWithinDepth([1, [2, 3], { a: [] }, JSON.rawJSON('1.5') as never], 3), true)
  let deep: JsonValue = []
  for (let i = 0; i < 100_000; i++) deep = [deep]
  assert.equal(isWithinDepth(deep, 65_536), false)
})
