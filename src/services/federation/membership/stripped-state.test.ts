import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventIdOf } from '#core/event/hash.ts'
import { hashAndSignEvent, signerFromSeed } from '#core/event/sign.ts'
import { type RoomId, roomIdOfCreate } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { readStrippedState } from '#services/federation/membership/stripped-state.ts'

const signer = signerFromSeed('there.test', 'a', new Uint8Array(32).fill(4))
const V12 = ROOM_VERSIONS.get('12')!
const V11 = ROOM_VERSIONS.get('11')!
const sender = '@admin:there.test'
const OLD_ROOM = '!room:there.test' as RoomId

function pdu(type: string, roomId: RoomId | null, content: JsonObject = {}, rules = V12): JsonObject {
  const json = {
    type,
    state_key: '',
    sender,
    content,
    depth: 1,
    origin_server_ts: 1,
    prev_events: [],
    auth_events: [],
    ...(roomId === null ? {} : { room_id: roomId }),
  }
  return hashAndSignEvent(json, rules, signer)
}

const create = pdu('m.room.create', null, { room_version: '12' })
const ROOM = roomIdOfCreate(eventIdOf(create, V12))
const stripped = (type: string, content: JsonObject = {}) => ({ type, state_key: '', sender, content })
const isRefused = { errcode: 'M_INVALID_PARAM' }

describe('S14: stripped state of a room of version 12', () => {
  it('proves the room by its create event, and is pruned for clients', () => {
    const entries = readStrippedState([create, pdu('m.room.name', ROOM, { name: 'Hall' })], ROOM, V12)
    assert.deepEqual(
      entries.map((entry) => entry.stripped),
      [stripped('m.room.create', { room_version: '12' }), stripped('m.room.name', { name: 'Hall' })],
    )
  })

  const refused: Readonly<Record<string, JsonValue | undefined>> = {
    'is absent': undefined,
    'lacks the create event': [pdu('m.room.name', ROOM)],
    'has the create event of another room': [pdu('m.room.create', null, { room_version: '12', other: true })],
    'has the create event without what is hashed': [stripped('m.room.create', { room_version: '12' })],
    'has an entry that is no whole event': [create, stripped('m.room.name')],
    'has an event of another room': [create, pdu('m.room.name', roomIdOfCreate(eventIdOf(pdu('x', ROOM), V12)))],
  }
  for (const [what, value] of Object.entries(refused)) {
    it(`is refused where it ${what}`, () => {
      assert.throws(() => readStrippedState(value, ROOM, V12), isRefused)
    })
  }
})

describe('S46: stripped state', () => {
  const hundred = new Array(100).fill(stripped('m.room.name'))

  it('may be absent, and have a hundred entries', () => {
    assert.deepEqual(readStrippedState(undefined, OLD_ROOM, V11), [])
    assert.equal(readStrippedState(hundred, OLD_ROOM, V11).length, 100)
  })

  for (const value of [null, {}, 'text', 7, true, [...hundred, stripped('m.room.name')]]) {
    it(`is refused as ${JSON.stringify(value).slice(0, 20)}`, () => {
      assert.throws(() => readStrippedState(value, OLD_ROOM, V11), isRefused)
    })
  }

  it('loses entries that are none, in versions whose servers send what they like', () => {
    const whole = pdu('m.room.topic', OLD_ROOM, { topic: 'x' }, V11)
    const bad = [
      null,
      7,
      [],
      {},
      { ...stripped('m.room.name'), content: null },
      { ...stripped('m.room.name'), state_key: null },
      { ...stripped('m.room.name'), sender: 'nobody' },
      { ...stripped('m.room.name'), type: 'x'.repeat(256) },
      stripped('m.room.name', { name: 'x'.repeat(70_000) }),
      pdu('m.room.topic', '!elsewhere:there.test' as RoomId, {}, V11),
    ]
    const entries = readStrippedState([...bad, whole, stripped('m.room.name')], OLD_ROOM, V11)
    assert.deepEqual(
      entries.map((entry) => entry.stripped.type),
      ['m.room.topic', 'm.room.name'],
    )
  })
})
