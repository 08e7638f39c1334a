import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CALLER_WAITING_MAX, CallerTurns } from '#kit/caller-turns.ts'

const NEVER = new AbortController().signal

describe('the requests of one caller', () => {
  /** Work that ends when it is told to. */
  function heldWork() {
    const ends: (() => void)[] = []
    const work = () => new Promise<void>((resolve) => ends.push(resolve))
    return { ends, work }
  }

  it('run a few at a time, in the order of their coming, and hold up nobody else', async () => {
    const turns = new CallerTurns()
    const { ends, work } = heldWork()
    const order: number[] = []
    const all = [0, 1, 2, 3].map((n) =>
      turns.run('a', 2, NEVER, async () => {
        order.push(n)
        await work()
      }),
    )
    const other = turns.run('b', 2, NEVER, work)
    assert.deepEqual([ends.length, order], [3, [0, 1]])
    while (ends.length > 0) {
      ends.shift()?.()
      await Promise.resolve().then(() => new Promise(setImmediate))
    }
    await Promise.all([...all, other])
    assert.deepEqual([order, turns.size], [[0, 1, 2, 3], 0])
  })

  it('are refused where too many wait', async () => {
    const turns = new CallerTurns()
    const { ends, work } = heldWork()
    const running = turns.run('a', 1, NEVER, work)
    const gone = new AbortController()
    const waiting = Array.from({ length: CALLER_WAITING_MAX }, () => turns.run('a', 1, gone.signal, work))
    await assert.rejects(turns.run('a', 1, NEVER, work), { errcode: 'M_LIMIT_EXCEEDED' })
    gone.abort()
    assert.ok((await Promise.allSettled(waiting)).every(({ status }) => status === 'rejected'))
    const next = turns.run('a', 1, NEVER, work)
    ends.shift()?.()
    await running
    ends.shift()?.()
    await next
    assert.equal(turns.size, 0)
  })

  it('are not begun where the client is gone', async () => {
    const turns = new CallerTurns()
    await assert.rejects(
      turns.run('a', 1, AbortSignal.abort(), async () => assert.fail()),
      { status: 499 },
    )
    assert.equal(turns.size, 0)
  })
})
