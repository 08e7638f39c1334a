import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLevel } from '#core/auth/power-levels.ts'
import { ALICE, BOB, CAROL, DAVE, EVE, rulesOf, TestRoom } from '#test/generators/test-room.ts'
import { PowerLevels } from './power-levels.ts'

const RAW_FLOAT = JSON.rawJSON('5.114698E4')
const RAW_HUGE = JSON.rawJSON('1e400')

function levelsOf(room: TestRoom): PowerLevels {
  return new PowerLevels(room.rules, room.lookup('m.room.power_levels', ''), room.lookup('m.room.create', ''))
}

test('S9: without power levels the creator has 100, others 0, and state takes 50', () => {
  for (const version of [1, 5, 10, 11]) {
    const room = new TestRoom(version)
    room.drop('m.room.power_levels')
    const levels = levelsOf(room)
    assert.deepEqual([levels.userLevel(ALICE), levels.userLevel(BOB)], [100, 0])
    assert.deepEqual(
      [levels.levelForEvent('m.room.topic', true), levels.levelForEvent('m.room.message', false)],
      [50, 0],
    )
    assert.deepEqual([levels.invite, levels.kick, levels.ban, levels.redact], [0, 50, 50, 50])
    assert.equal(levels.notifications('room'), 50)
  }
})

test('from version 11 the creator is the sender, whatever content.creator says', () => {
  const named = (version: number) => {
    const room = new TestRoom(version, { creator: BOB })
    room.drop('m.room.power_levels')
    return [levelsOf(room).userLevel(ALICE), levelsOf(room).userLevel(BOB)]
  }
  assert.deepEqual(named(10), [0, 100])
  assert.deepEqual(named(11), [100, 0])
})

test('levels come from the event, with its own defaults', () => {
  const room = new TestRoom(10)
  room.powerLevels({
    users: { [BOB]: 7 },
    users_default: 3,
    state_default: 20,
    events_default: 4,
    events: { 'm.room.name': 30 },
    invite: 1,
    kick: 2,
    ban: 5,
    redact: 6,
    notifications: { room: 8 },
  })
  const levels = levelsOf(room)
  assert.deepEqual([levels.userLevel(ALICE), levels.userLevel(BOB)], [3, 7])
  assert.deepEqual([levels.levelForEvent('m.room.name', true), levels.levelForEvent('m.room.topic', true)], [30, 20])
  assert.equal(levels.levelForEvent('m.room.message', false), 4)
  assert.deepEqual([levels.invite, levels.kick, levels.ban, levels.redact], [1, 2, 5, 6])
  assert.equal(levels.notifications('room'), 8)
  assert.equal(levels.notifications('other'), 50)
})

test('names of built-in properties are no entries', () => {
  const room = new TestRoom(10)
  assert.equal(levelsOf(room).userLevel('constructor'), 0)
  assert.equal(levelsOf(room).levelForEvent('toString', true), 50)
})

test('before version 10 a level may be a string or a float, then only an integer', () => {
  const read = (version: number, value: Parameters<typeof parseLevel>[0]) => parseLevel(value, rulesOf(version))
  for (const [value, before, after] of [
    [50, 50, 50],
    [' +0100 ', 100, undefined],
    ['-5', -5, undefined],
    ['1.5', undefined, undefined],
    ['0x10', undefined, undefined],
    ['', undefined, undefined],
    [RAW_FLOAT, 51146, undefined],
    [RAW_HUGE, undefined, undefined],
    [JSON.rawJSON('-50.57'), -50, undefined],
    [true, undefined, undefined],
    [null, undefined, undefined],
    [[50], undefined, undefined],
  ] as const) {
    assert.equal(read(9, value), before, JSON.stringify(value))
    assert.equal(read(10, value), after, JSON.stringify(value))
  }
})

test('a level outside the range of a double refuses the event', () => {
  const room = new TestRoom(5)
  const change = (ban: unknown) =>
    room.decide({ type: 'm.room.power_levels', stateKey: '', content: { users: room.users({}), ban } })
  assert.equal(change(RAW_FLOAT).ok, false, "above Alice's own level")
  assert.equal(change(JSON.rawJSON('99.9')).ok, true)
  assert.deepEqual(change(RAW_HUGE), { ok: false, rule: '10.1', reason: 'a level is out of range' })
})

test('S13: creators of version 12 stand above every level and every user', () => {
  const room = new TestRoom(12, { additional_creators: [DAVE] })
  room.member(DAVE, 'join')
  const highest = Number.MAX_SAFE_INTEGER
  room.powerLevels({ users: { [BOB]: highest }, ban: highest, events: { 'm.room.topic': highest } })
  assert.ok(levelsOf(room).userLevel(DAVE) > highest)
  const ban = (sender: string, target: string) =>
    room.decide({ type: 'm.room.member', stateKey: target, sender, content: { membership: 'ban' } })
  assert.equal(ban(DAVE, BOB).ok, true)
  assert.equal(ban(BOB, DAVE).ok, false)
  assert.equal(ban(ALICE, DAVE).ok, false, 'creators are equals')
  const before11 = new TestRoom(11, { additional_creators: [DAVE] })
  assert.equal(levelsOf(before11).userLevel(DAVE), 0)
})

test('S13: no one can name a creator of version 12 in users, nor the additional ones', () => {
  const room = new TestRoom(12, { additional_creators: [DAVE] })
  const change = (users: object) =>
    room.decide({ type: 'm.room.power_levels', stateKey: '', content: { users: { [BOB]: 50, ...users } } })
  assert.equal(change({ [CAROL]: 1, [EVE]: 2 }).ok, true)
  for (const creator of [ALICE, DAVE]) {
    const result = change({ [creator]: 1 })
    assert.deepEqual([result.ok, result.rule], [false, '10.4'])
  }
})
