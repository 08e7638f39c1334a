import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { inSlices, isSliceOver, nextSlice } from './time-slices.ts'

/** So much work that a turn is used up. */
const LONG_MS = 4

let now = 0
let turn = 0
/** Counts turns of the event loop while it is told to. */
function count(): void {
  turn += 1
  counting = setImmediate(count)
}
let counting: NodeJS.Immediate

describe('turns', () => {
  beforeEach(async () => {
    mock.method(performance, 'now', () => now)
    count()
    // What the last test did counts no more.
    await new Promise(setImmediate)
  })

  afterEach(() => {
    clearImmediate(counting)
    mock.restoreAll()
  })

  it('are over when what was done in them took long, whoever did it', async () => {
    assert.equal(isSliceOver(), false)
    now += LONG_MS - 1
    assert.equal(isSliceOver(), false)
    now += 1
    assert.equal(isSliceOver(), true)
    await nextSlice()
    assert.equal(isSliceOver(), false)
  })

  it('are given to those who wait one after the other, the first ones first', async () => {
    const order: string[] = []
    const turns = new Map<string, number>()
    const work = async (name: string, ms: number) => {
      for (const round of [1, 2]) {
        await nextSlice()
        order.push(`${name}${round}`)
        turns.set(`${name}${round}`, turn)
        now += ms
      }
    }
    await Promise.all([work('a', LONG_MS), work('b', LONG_MS), work('c', 1), work('d', 1)])
    assert.deepEqual(order, ['a1', 'b1', 'c1', 'd1', 'a2', 'b2', 'c2', 'd2'])
    assert.ok(turns.get('a1')! < turns.get('b1')!, 'b had to wait for the next turn')
    assert.ok(turns.get('b1')! < turns.get('c1')!, 'c had to wait for the next turn')
    assert.equal(turns.get('c1'), turns.get('d1'), 'there was time left for d')
  })

  it('are never the same for one who asks twice', async () => {
    await Promise.all(
      ['a', 'b'].map(async () => {
        await nextSlice()
        const first = turn
        await nextSlice()
        assert.notEqual(turn, first)
      }),
    )
  })

  it('are left between the slices of a long computation, but only when they are over', async () => {
    const turns = new Set<number>()
    function* slices() {
      for (let i = 0; i < 20; i++) {
        turns.add(turn)
        now += 1
        yield
      }
      return 'done'
    }
    assert.equal(await inSlices(slices()), 'done')
    assert.equal(turns.size, 5)
  })
})
