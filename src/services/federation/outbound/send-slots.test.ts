import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SendSlots, type Slot } from '#services/federation/outbound/send-slots.ts'
import { manualTime } from '#test/harness/manual-time.ts'

const LIMITS = { quickMax: 2, totalMax: 4, bytesMax: 1000, slowAfterMs: 100 }

function slotsAtTime() {
  const time = manualTime()
  const slots = new SendSlots(LIMITS, time.timers)
  const granted: string[] = []
  const open = new Map<string, Slot>()
  const take = (name: string, urgent = true) => {
    const turn = slots.take(urgent)
    turn.slot.then((slot) => {
      granted.push(name)
      open.set(name, slot)
    })
    return turn
  }
  const turns = async () => void (await new Promise(setImmediate))
  return { ...time, slots, granted, take, turns, release: (name: string) => open.get(name)?.release(), open }
}

test('slots are given in the order in which they were asked for, urgent ones first', async () => {
  const { slots, granted, take, turns, release } = slotsAtTime()
  take('a')
  take('b')
  take('patient', false)
  const hurried = take('hurried', false)
  take('c')
  hurried.hurry()
  await turns()
  assert.deepEqual([granted, slots.waiting, slots.underWay], [['a', 'b'], 3, 2])
  for (const name of ['a', 'b', 'c', 'hurried']) {
    release(name)
    await turns()
  }
  assert.deepEqual(granted, ['a', 'b', 'c', 'hurried', 'patient'])
})

test('who is slow makes room for others, up to the total', async () => {
  const { slots, granted, take, turns, advance, release, pending } = slotsAtTime()
  for (const name of ['a', 'b', 'c', 'd', 'e']) take(name)
  advance(LIMITS.slowAfterMs - 1)
  await turns()
  assert.deepEqual(granted, ['a', 'b'])
  advance(1)
  await turns()
  assert.deepEqual(granted, ['a', 'b', 'c', 'd'])
  advance(LIMITS.slowAfterMs)
  await turns()
  assert.deepEqual(granted, ['a', 'b', 'c', 'd'], 'the total is reached')
  release('a')
  release('a')
  await turns()
  assert.deepEqual([granted.at(-1), slots.underWay], ['e', 4])
  for (const name of ['b', 'c', 'd', 'e']) release(name)
  assert.deepEqual([slots.underWay, pending.size], [0, 0])
})

test('nothing begins while too much is held in memory', async () => {
  const { granted, take, turns, release, open } = slotsAtTime()
  take('a')
  await turns()
  open.get('a')?.holds(LIMITS.bytesMax)
  take('b')
  await turns()
  assert.deepEqual(granted, ['a'])
  release('a')
  await turns()
  assert.deepEqual(granted, ['a', 'b'])
})
