import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FetchSlots } from '#services/federation/keys/fetch-slots.ts'

const LIMITS = { running: 3, runningEach: 2, waiting: 4, waitingEach: 2 }

/** Fetches that end when the test says so. */
function held() {
  const slots = new FetchSlots(LIMITS)
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const start = (behalf: string, name: string): Promise<string> =>
    slots.run(behalf, async () => {
      begun.push(name)
      const { promise, resolve } = Promise.withResolvers<void>()
      ends.set(name, resolve)
      await promise
      return name
    })
  const end = async (name: string, of: Promise<string>) => {
    ends.get(name)?.()
    await of
  }
  return { slots, begun, start, end }
}

const busy = { errcode: 'M_LIMIT_EXCEEDED' }

describe('slots for fetches', () => {
  it('are few overall, and fewer for each', async () => {
    const { begun, start } = held()
    for (const name of ['a1', 'a2', 'a3']) start('a', name)
    for (const name of ['b1', 'b2']) start('b', name)
    await Promise.resolve()
    assert.deepEqual(begun, ['a1', 'a2', 'b1'])
  })

  it('have a bounded number waiting, overall and for each', async () => {
    const { start } = held()
    for (const name of ['a1', 'a2', 'a3', 'a4']) start('a', name)
    await assert.rejects(start('a', 'a5'), busy)
    for (const name of ['b1', 'b2', 'b3']) start('b', name)
    await assert.rejects(start('b', 'b4'), busy)
    await assert.rejects(start('c', 'c1'), busy)
  })

  it('go to those who wait in turn, whoever waits for most', async () => {
    const { begun, start, end } = held()
    const a1 = start('a', 'a1')
    const a2 = start('a', 'a2')
    const b1 = start('b', 'b1')
    const names = ['a3', 'a4', 'c1', 'b2'] as const
    const later = new Map(names.map((name) => [name, start(name.charAt(0), name)]))
    await end('b1', b1)
    await end('a1', a1)
    await end('a2', a2)
    assert.deepEqual(begun.slice(3), ['b2', 'a3', 'c1'])
    for (const name of ['b2', 'c1', 'a3', 'a4'] as const) await end(name, later.get(name)!)
  })

  it('are free again after a failure', async () => {
    const { slots } = held()
    for (let times = 0; times < 5; times++) {
      await assert.rejects(
        slots.run('a', async () => {
          throw new Error('no')
        }),
      )
    }
    assert.equal(await slots.run('a', async () => 'yes'), 'yes')
  })
})
