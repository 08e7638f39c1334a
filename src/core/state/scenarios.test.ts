import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type StateMap, stateMapKey } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import { resolve } from '#core/state/resolve.ts'
import { run } from '#core/state/steps.ts'
import { ALICE, BOB, CAROL, DAVE, EVE, TestRoom } from '#test/generators/test-room.ts'

/** Versions whose resolution builds on MSC1442. */
const VERSIONS = ['2', '3', '6', '9', '10', '11', '12']

/** The state at the end of a branch; the room stays where it forked. */
function branch(room: TestRoom, grow: () => void): StateMap {
  const before = new Map(room.state)
  grow()
  const state = room.stateMap()
  room.state.clear()
  for (const [key, event] of before) room.state.set(key, event)
  return state
}

function resolved(room: TestRoom, states: readonly StateMap[], rejected: readonly EventId[] = []): StateMap {
  return run(resolve(room.rules, states, room.events, { isRejected: (eventId) => rejected.includes(eventId) }))
}

const at = (state: StateMap, type: string, stateKey = '') => state.get(stateMapKey(type, stateKey))

const topic = (room: TestRoom, id: string, sender = ALICE, more = {}) =>
  room.put({ type: 'm.room.topic', id, sender, content: { topic: id }, ...more })

const levels = (room: TestRoom, id: string, sender: string, users: Record<string, number>) =>
  room.put({ type: 'm.room.power_levels', id, sender, content: { users: room.users(users) } })

for (const version of VERSIONS) {
  describe(`MSC1442 (room version ${version})`, () => {
    test('example 1: what a demoted user did on another branch is undone, and the mainline orders topics', () => {
      const room = new TestRoom(version)
      topic(room, '$topic1')
      const left = branch(room, () => {
        topic(room, '$topic2')
        levels(room, '$levels2', ALICE, { [BOB]: 0 })
      })
      const right = branch(room, () => {
        levels(room, '$levels3', BOB, { [CAROL]: 10 })
        topic(room, '$topic3', BOB)
      })
      const message2 = resolved(room, [left, right])
      assert.equal(at(message2, 'm.room.power_levels'), '$levels2')
      assert.equal(at(message2, 'm.room.topic'), '$topic2')

      // A topic that knows the newer power levels is newer, whatever its clock says. In version 12 the partial state
      // starts empty, and without a conflict of power levels there is no mainline: the clock decides.
      levels(room, '$levels2again', ALICE, { [BOB]: 0 })
      const before = new Map([...room.stateMap(), [stateMapKey('m.room.topic', ''), '$topic2' as EventId]])
      const after = branch(room, () => topic(room, '$topic4', ALICE, { ts: 0 }))
      const newer = room.rules.stateResolution === 'v2.1' ? '$topic2' : '$topic4'
      assert.equal(at(resolved(room, [before, after]), 'm.room.topic'), newer)
    })

    test('example 2: an event refused by one state stands where the resolved state allows it', () => {
      const room = new TestRoom(version)
      topic(room, '$topicA')
      const forked = branch(room, () => topic(room, '$topicD', BOB))
      levels(room, '$levelsB', ALICE, { [BOB]: 0 })
      levels(room, '$levelsE', ALICE, { [BOB]: 50 })
      const states = [room.stateMap(), forked]
      const atF = resolved(room, states)
      assert.equal(at(atF, 'm.room.power_levels'), '$levelsE')
      assert.equal(at(atF, 'm.room.topic'), '$topicD')
      // What fails against its own auth events never enters.
      assert.equal(at(resolved(room, states, ['$topicD' as EventId]), 'm.room.topic'), '$topicA')
    })

    test('changes that build on each other are replayed in their order', () => {
      const room = new TestRoom(version)
      const before = room.stateMap()
      levels(room, '$levelsA', ALICE, { [BOB]: 80 })
      levels(room, '$levelsB', BOB, { [BOB]: 80, [CAROL]: 60 })
      const ban = { users: room.users({ [BOB]: 80, [CAROL]: 60 }), ban: 60 }
      room.put({ type: 'm.room.power_levels', id: '$levelsC', sender: CAROL, content: ban })
      assert.equal(at(resolved(room, [before, room.stateMap()]), 'm.room.power_levels'), '$levelsC')
    })

    test('a user who left, came back and left again has left', () => {
      const room = new TestRoom(version)
      room.member(CAROL, 'leave')
      const first = room.stateMap()
      const join = room.member(CAROL, 'join')
      const second = room.stateMap()
      const leave = room.member(CAROL, 'leave')
      const third = room.stateMap()
      assert.equal(at(resolved(room, [first, third]), 'm.room.member', CAROL), leave.eventId)
      assert.equal(at(resolved(room, [second, third]), 'm.room.member', CAROL), leave.eventId)
      assert.equal(at(resolved(room, [first, second]), 'm.room.member', CAROL), join.eventId)
    })

    test('a banned user does not escape by forking before the ban', () => {
      const room = new TestRoom(version)
      room.member(EVE, 'join')
      let ban: EventId | undefined
      const banned = branch(room, () => {
        ban = room.member(EVE, 'ban', BOB).eventId
      })
      const forked = branch(room, () => {
        room.member(EVE, 'leave', EVE)
        // A clock in the past doesn't help.
        room.put({ type: 'm.room.member', stateKey: EVE, sender: EVE, ts: 0, content: { membership: 'join' } })
        room.put({ type: 'org.example.own', stateKey: EVE, sender: EVE, content: {} })
      })
      const state = resolved(room, [forked, banned])
      assert.equal(at(state, 'm.room.member', EVE), ban)
      assert.equal(at(state, 'org.example.own', EVE), undefined)
    })

    test('who has more power acts first, whatever the clocks say', () => {
      const room = new TestRoom(version)
      const banBob = { type: 'm.room.member', stateKey: BOB, sender: ALICE, ts: 2_000, content: { membership: 'ban' } }
      const banCarol = {
        type: 'm.room.member',
        stateKey: CAROL,
        sender: BOB,
        ts: 1_000,
        content: { membership: 'ban' },
      }
      const states = [branch(room, () => room.put(banBob)), branch(room, () => room.put(banCarol))]
      const state = resolved(room, states)
      assert.equal(at(state, 'm.room.member', BOB), at(states[0] as StateMap, 'm.room.member', BOB))
      assert.equal(at(state, 'm.room.member', CAROL), at(states[0] as StateMap, 'm.room.member', CAROL))
    })

    test('new joins on a fork are checked against join rules that closed the room', () => {
      const room = new TestRoom(version)
      const closed = branch(room, () => room.joinRule('invite'))
      const forked = branch(room, () => room.member(DAVE, 'join'))
      const state = resolved(room, [closed, forked])
      assert.equal(at(state, 'm.room.join_rules'), at(closed, 'm.room.join_rules'))
      assert.equal(at(state, 'm.room.member', DAVE), undefined)
    })

    test('the topic of someone banned later is lost to an event that cites both before and after', () => {
      const room = new TestRoom(version)
      const before = room.stateMap()
      topic(room, '$topic', BOB)
      room.member(BOB, 'ban', ALICE)
      const state = resolved(room, [before, room.stateMap()])
      assert.equal(at(state, 'm.room.topic'), undefined)
    })
  })
}

/** Both chains know of newer join rules, but one state was told with the older ones, and their author has left. */
function problemA(version: string): string | undefined {
  const room = new TestRoom(version)
  const older = room.joinRule('public').eventId
  const newer = room.joinRule('public').eventId
  room.member(DAVE, 'join')
  room.member(ALICE, 'leave')
  const told = new Map([...room.stateMap(), [stateMapKey('m.room.join_rules', ''), older]])
  const rules = at(resolved(room, [room.stateMap(), told]), 'm.room.join_rules')
  return rules === newer ? 'newer' : rules
}

/** Alice promotes Bob, who promotes Carol; both chains know, but one state was told with the first power levels. */
function problemB(version: string): string | undefined {
  const room = new TestRoom(version)
  levels(room, '$levels1', ALICE, { [BOB]: 0 })
  const told = room.stateMap()
  levels(room, '$levels2', ALICE, { [BOB]: 100 })
  levels(room, '$levels3', BOB, { [BOB]: 100, [CAROL]: 50 })
  const member = room.member(DAVE, 'join').eventId
  const outdated = new Map([...told, [stateMapKey('m.room.member', DAVE), member]])
  return at(resolved(room, [room.stateMap(), outdated]), 'm.room.power_levels')
}

test('MSC4297 problem A: conflicting events are replayed on their own history, not on the unconflicted state', () => {
  assert.equal(problemA('11'), undefined, 'before version 12 the join rules are lost')
  assert.equal(problemA('12'), 'newer')
})

test('MSC4297 problem B: events between conflicting ones are replayed with them', () => {
  assert.equal(problemB('11'), '$levels1', 'before version 12 the power levels fall back')
  assert.equal(problemB('12'), '$levels3')
})

describe('room version 1', () => {
  test('a pair that one state lacks is no conflict', () => {
    const room = new TestRoom('1')
    const before = room.stateMap()
    topic(room, '$topic:x.example')
    assert.equal(at(resolved(room, [before, room.stateMap()]), 'm.room.topic'), '$topic:x.example')
  })

  test('power levels are taken in order of depth for as long as they are allowed', () => {
    const room = new TestRoom('1')
    const powerLevels = (id: string, sender: string, bob: number, depth: number) =>
      branch(room, () => {
        const content = { users: room.users({ [BOB]: bob }) }
        room.put({ type: 'm.room.power_levels', id, sender, depth, content })
      })
    const lowered = powerLevels('$lowered:x.example', ALICE, 0, 50)
    const raised = powerLevels('$raised:x.example', BOB, 40, 60)
    const last = powerLevels('$last:x.example', ALICE, 90, 70)
    assert.equal(at(resolved(room, [raised, lowered]), 'm.room.power_levels'), '$lowered:x.example')
    assert.equal(at(resolved(room, [raised, lowered, last]), 'm.room.power_levels'), '$lowered:x.example')
    assert.equal(at(resolved(room, [last, lowered]), 'm.room.power_levels'), '$last:x.example')
  })

  test('of other events the deepest that the resolved state allows is picked', () => {
    const room = new TestRoom('1')
    const allowed = branch(room, () => topic(room, '$allowed:x.example', BOB, { depth: 50 }))
    const deeper = branch(room, () => topic(room, '$deeper:x.example', CAROL, { depth: 60 }))
    assert.equal(at(resolved(room, [allowed, deeper]), 'm.room.topic'), '$allowed:x.example')
    const shallow = branch(room, () => topic(room, '$shallow:x.example', CAROL, { depth: 40 }))
    assert.equal(at(resolved(room, [shallow, deeper]), 'm.room.topic'), '$shallow:x.example', 'the last if none is')
  })
})
