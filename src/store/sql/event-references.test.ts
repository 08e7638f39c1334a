import assert from 'node:assert/strict'
import { it } from 'node:test'
import { packReferences, unpackReferences } from '#store/sql/event-references.ts'
import type { EventNid } from '#store/types/events.ts'

const from = 3_000_000_000 as EventNid

it('references come back in their order', () => {
  const cited = [from - 1, 1, from - 300, from + 1, from - 1, from + 70_000, 2_147_483_648] as EventNid[]
  assert.deepEqual(unpackReferences(from, packReferences(from, cited)), cited)
  assert.deepEqual(unpackReferences(from, packReferences(from, [])), [])
})

it('a predecessor takes one byte', () => {
  assert.equal(packReferences(from, [(from - 1) as EventNid]).length, 1)
})

it('nothing cites itself', () => {
  assert.throws(() => packReferences(from, [from]), RangeError)
})
