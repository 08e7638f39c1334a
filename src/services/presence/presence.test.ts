import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserId } from '#core/ids.ts'
import { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import {
  CURRENTLY_ACTIVE_MS,
  GONE_AFTER_MS,
  IDLE_AFTER_MS,
  LocalPresence,
  type PresenceClient,
} from '#services/presence/local-presence.ts'
import { PresenceBook } from '#services/presence/presence-book.ts'
import type { UserNid } from '#store/types/users.ts'
import { manualTime } from '#test/harness/manual-time.ts'

const PHONE: PresenceClient = { userId: '@alice:x' as UserId, userNid: 1 as UserNid, deviceId: 'PHONE' }
const LAPTOP: PresenceClient = { ...PHONE, deviceId: 'LAPTOP' }
const BOB: PresenceClient = { userId: '@bob:x' as UserId, userNid: 2 as UserNid, deviceId: 'B' }

function presenceAtTime() {
  const time = manualTime()
  const book = new PresenceBook(new EphemeralSequence('e'))
  const local = new LocalPresence({ book, clock: time.clock, timers: time.timers })
  const told: string[] = []
  book.onChange(({ presence, currentlyActive }) => told.push(currentlyActive ? `${presence} now` : presence))
  const presence = () => book.get(PHONE.userNid)?.presence ?? 'offline'
  return { ...time, book, local, told, presence }
}

test('whoever syncs is online, then idle, and gone a while after the last sync', () => {
  const { local, advance, told, pending } = presenceAtTime()
  const end = local.poll(PHONE)
  advance(CURRENTLY_ACTIVE_MS)
  advance(IDLE_AFTER_MS - CURRENTLY_ACTIVE_MS)
  end()
  advance(GONE_AFTER_MS - 1)
  assert.deepEqual(told, ['online now', 'online', 'unavailable'])
  advance(1)
  assert.deepEqual(told, ['online now', 'online', 'unavailable', 'offline'])
  assert.equal(pending.size, 0)
})

test('the next sync in time changes nothing, and an activity ends idleness', () => {
  const { local, advance, told, presence } = presenceAtTime()
  local.poll(PHONE)()
  advance(GONE_AFTER_MS - 1)
  const end = local.poll(PHONE)
  advance(IDLE_AFTER_MS)
  assert.equal(presence(), 'unavailable')
  local.active(PHONE)
  assert.deepEqual(told, ['online now', 'online', 'unavailable', 'online now'])
  end()
})

test('set_presence offline marks nothing, and overrides nothing', () => {
  const { local, advance, told, presence } = presenceAtTime()
  const end = local.poll(PHONE, 'offline')
  local.active(PHONE)
  assert.deepEqual(told, [])
  local.poll(PHONE, 'unavailable')()
  local.poll(PHONE, 'offline')
  assert.equal(presence(), 'unavailable')
  advance(GONE_AFTER_MS)
  assert.equal(presence(), 'offline', 'it doesn’t keep the client there either')
  end()
  assert.deepEqual(told, ['unavailable', 'offline'])
})

test('a sync that says nothing marks as online, whatever was said before', () => {
  const { local, presence } = presenceAtTime()
  for (const before of [
    () => local.poll(PHONE, 'unavailable'),
    () => local.set(PHONE, 'unavailable', null),
    () => local.set(PHONE, 'offline', null),
  ]) {
    before()
    assert.notEqual(presence(), 'online')
    local.poll(PHONE)()
    assert.equal(presence(), 'online')
  }
})

test('unavailable holds until the user does something', () => {
  const { local, presence } = presenceAtTime()
  local.poll(PHONE, 'unavailable')
  local.active(PHONE)
  assert.equal(presence(), 'online')
})

test('the most present of several clients counts', () => {
  const { local, advance, presence } = presenceAtTime()
  const phone = local.poll(PHONE, 'unavailable')
  const laptop = local.poll(LAPTOP, 'online')
  assert.equal(presence(), 'online')
  laptop()
  advance(GONE_AFTER_MS)
  assert.equal(presence(), 'unavailable')
  phone()
  advance(GONE_AFTER_MS)
  assert.equal(presence(), 'offline')
})

test('what the user says holds over a sync that is under way, and its message over the next ones', () => {
  const { local, book, advance, presence } = presenceAtTime()
  local.poll(PHONE)
  local.set(PHONE, 'unavailable', 'at lunch')
  assert.deepEqual([presence(), book.get(PHONE.userNid)?.statusMsg], ['unavailable', 'at lunch'])
  local.poll(PHONE)
  assert.deepEqual([presence(), book.get(PHONE.userNid)?.statusMsg], ['online', 'at lunch'])
  local.set(PHONE, 'unavailable', 'at lunch')
  assert.deepEqual([presence(), book.get(PHONE.userNid)?.statusMsg], ['unavailable', 'at lunch'])
  local.set(PHONE, 'offline', null)
  assert.deepEqual([presence(), book.get(PHONE.userNid)?.statusMsg], ['offline', null])
  local.set(BOB, 'online', 'hello')
  advance(IDLE_AFTER_MS)
  assert.equal(book.get(BOB.userNid)?.presence, 'offline', 'no sync, and nothing done for long')
  assert.equal(book.get(BOB.userNid)?.statusMsg, 'hello')
})

test('changes are told since a number, each user once, with the latest', () => {
  const sequence = new EphemeralSequence('e')
  const book = new PresenceBook(sequence)
  const user = { userId: PHONE.userId, statusMsg: null, lastActiveTs: 0, currentlyActive: false }
  const put = (nid: number, presence: 'online' | 'offline') => book.put({ ...user, userNid: nid as UserNid, presence })
  put(1, 'online')
  put(2, 'online')
  const seen = sequence.last
  put(2, 'online')
  assert.deepEqual(book.changedSince(seen), [], 'nothing new')
  put(1, 'offline')
  put(2, 'offline')
  put(1, 'online')
  assert.deepEqual(
    book.changedSince(seen).map(({ userNid, presence }) => [userNid, presence]),
    [
      [2, 'offline'],
      [1, 'online'],
    ],
  )
  assert.deepEqual(
    book.present().map(({ userNid }) => userNid),
    [1],
  )
})

test('more changes than are remembered in order still all reach who has seen little', () => {
  const sequence = new EphemeralSequence('e')
  const book = new PresenceBook(sequence)
  const put = (nid: number, presence: 'online' | 'offline') =>
    book.put({ ...PHONE, userNid: nid as UserNid, presence, statusMsg: null, lastActiveTs: 0, currentlyActive: false })
  put(7, 'online')
  const seen = sequence.last
  put(8, 'online')
  for (let i = 0; i < 10_001; i++) {
    put(9, 'online')
    put(9, 'offline')
  }
  assert.deepEqual(
    book.changedSince(seen).map(({ userNid }) => userNid),
    [8, 9],
  )
})

test('closing leaves no timer behind, and a sync that ends later makes none', () => {
  const { local, pending } = presenceAtTime()
  const end = local.poll(PHONE)
  local.set(BOB, 'online', null)
  local.close()
  end()
  assert.equal(pending.size, 0)
})
