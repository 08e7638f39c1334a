import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { ALICE, BOB, DAVE, TestRoom } from '#test/generators/test-room.ts'

const ODD = [null, [], 'text', 5, {}, true, { membership: null }, { membership: 'join', third_party_invite: null }]

/** Members of content that rules read, each of which may hold anything. */
const READ = {
  'm.room.create': ['creator', 'm.federate', 'additional_creators', 'room_version'],
  'm.room.join_rules': ['join_rule', 'allow'],
  'm.room.power_levels': ['users', 'events', 'notifications', 'users_default', 'invite', 'ban'],
  'm.room.member': ['membership', 'third_party_invite', 'join_authorised_via_users_server'],
  'm.room.third_party_invite': ['public_key', 'public_keys'],
}

const DRAFTS = [
  { sender: BOB },
  { type: 'm.room.topic', stateKey: '', sender: ALICE, content: {} },
  { type: 'm.room.power_levels', stateKey: '', sender: ALICE, content: { users: { [BOB]: 50 }, ban: 10 } },
  { type: 'm.room.redaction', sender: BOB, redacts: '$other:y.example' },
  ...['join', 'leave', 'knock'].map((membership) => ({
    type: 'm.room.member',
    stateKey: DAVE,
    sender: DAVE,
    content: { membership, join_authorised_via_users_server: BOB },
  })),
  ...['invite', 'ban', 'leave'].map((membership) => ({
    type: 'm.room.member',
    stateKey: DAVE,
    sender: BOB,
    content: { membership },
  })),
  {
    type: 'm.room.member',
    stateKey: DAVE,
    sender: BOB,
    content: { membership: 'invite', third_party_invite: { signed: { mxid: DAVE, token: 'token', signatures: {} } } },
  },
]

function assertDecides(room: TestRoom): void {
  for (const draft of DRAFTS) {
    for (const result of [room.decide(draft), room.judge(draft)]) assert.equal(typeof result.rule, 'string')
  }
}

/** Contents that are odd as a whole, or in one member. */
function oddContents(type: keyof typeof READ): unknown[] {
  return [...ODD, ...READ[type].flatMap((key) => ODD.map((value) => ({ membership: 'join', [key]: value })))]
}

test('S54: odd content in the state never throws', () => {
  for (const version of ROOM_VERSIONS.keys()) {
    for (const type of Object.keys(READ) as (keyof typeof READ)[]) {
      for (const content of oddContents(type)) {
        const room = new TestRoom(version)
        for (const stateKey of ['', BOB, DAVE, 'token']) room.put({ type, stateKey, sender: BOB, content })
        assertDecides(room)
      }
    }
  }
})

test('S54: odd content in the event never throws', () => {
  for (const version of ROOM_VERSIONS.keys()) {
    const room = new TestRoom(version)
    for (const type of Object.keys(READ) as (keyof typeof READ)[]) {
      for (const content of oddContents(type)) {
        for (const stateKey of [null, '', DAVE]) {
          const draft = { type, stateKey, sender: DAVE, content }
          for (const result of [room.decide(draft), room.judge(draft)]) assert.equal(typeof result.rule, 'string')
        }
      }
    }
  }
})

test('S54: a state without a create event, or without anything, refuses', () => {
  for (const version of ROOM_VERSIONS.keys()) {
    const room = new TestRoom(version)
    room.drop('m.room.create')
    for (const draft of DRAFTS) assert.equal(room.decide(draft).ok, false)
    room.state.clear()
    for (const draft of DRAFTS) assert.equal(room.decide(draft).ok, false)
    assert.equal(room.judge({}, { create: undefined, authEvents: [] }).ok, false)
  }
})

test('S54: an auth event that is no state event is refused', () => {
  for (const version of ROOM_VERSIONS.keys()) {
    const room = new TestRoom(version)
    const message = room.event({ type: 'm.room.power_levels', stateKey: null })
    const result = room.judge({ authEvents: [room.create, message] })
    assert.equal(result.ok, false)
    assert.equal(result.rule, version === '12' ? '3.2' : '2.2')
  }
})
