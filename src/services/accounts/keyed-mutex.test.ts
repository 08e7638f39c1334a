import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyedMutex } from '#services/accounts/keyed-mutex.ts'

test('work on one key runs in turn, on another at once, and a failure stops nobody', async () => {
  const turns = new KeyedMutex()
  const order: string[] = []
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const first = turns.take('a', async () => {
    await gate
    order.push('first')
    throw new Error('failed')
  })
  const second = turns.take('a', async () => order.push('second'))
  await turns.take('b', async () => order.push('other'))
  open()
  await assert.rejects(first, /failed/)
  await second
  assert.deepEqual(order, ['other', 'first', 'second'])
})
