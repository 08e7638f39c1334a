import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { signerFromSeed, verifyEvent } from '#core/event/sign.ts'
import type { RoomId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import {
  MalformedAnswerError,
  ownMemberEvent,
  type WantedMembership,
} from '#services/federation/membership/own-member-event.ts'

const signer = signerFromSeed('here.test', 'a', new Uint8Array(32).fill(3))
const userId = '@ann:here.test' as UserId
const HASH = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ'

const roomOf = (version: string) => (version === '12' ? `!${HASH}` : '!room:there.test') as RoomId

function citing(version: string): unknown {
  const { eventIdFormat, eventReferences } = ROOM_VERSIONS.get(version)!
  if (eventReferences === 'pairs') return ['$before:there.test', { sha256: HASH, extra: 'signed?' }]
  return eventIdFormat === 'chosen' ? '$before:there.test' : `$${HASH}`
}

function wantedOf(version: string, membership: WantedMembership['membership'] = 'join'): WantedMembership {
  return { roomId: roomOf(version), userId, membership, content: { displayname: 'Ann' }, originServerTs: 5 }
}

function answer(version: string, event: JsonObject = {}, content: JsonObject = {}): JsonObject {
  return {
    room_version: version,
    event: {
      type: 'm.room.member',
      room_id: roomOf(version),
      sender: userId,
      state_key: userId,
      content: { membership: 'join', ...content },
      prev_events: [citing(version)] as JsonObject[],
      auth_events: [],
      depth: 8,
      origin: 'there.test',
      origin_server_ts: 1,
      ...event,
    },
  }
}

const make = (json: JsonObject, wanted: WantedMembership) => ownMemberEvent(json, wanted, signer, () => 'mine')

describe('S1: our own member event', () => {
  for (const version of ROOM_VERSIONS.keys()) {
    it(`takes nothing but its place from an honest template of version ${version}`, () => {
      const more = { unsigned: { x: 1 }, redacts: '$x', 'org.example': 1 }
      const event = make(answer(version, more, { displayname: 'Admin', reason: 'x' }), wantedOf(version))
      assert.deepEqual(event.content, { displayname: 'Ann', membership: 'join' })
      assert.equal(event.originServerTs, 5)
      assert.equal(event.depth, 8)
      const expected = ['auth_events', 'content', 'depth', 'hashes', 'origin_server_ts', 'prev_events', 'room_id']
      expected.push(
        'sender',
        'signatures',
        'state_key',
        'type',
        ...(version < '3' && version.length === 1 ? ['event_id'] : []),
      )
      assert.deepEqual(Object.keys(event.json).sort(), expected.sort())
      assert.ok(!JSON.stringify(event.json['prev_events']).includes('signed?'))
      const keys = () => signer.publicKey
      assert.equal(verifyEvent(event.json, event.rules, 'here.test' as ServerName, keys), 'valid')
    })
  }

  const bent: Readonly<Record<string, JsonObject>> = {
    'another type': { type: 'm.room.power_levels' },
    'another sender': { sender: '@eve:here.test' },
    'another state key': { state_key: '@eve:here.test' },
    'another room': { room_id: '!other:there.test' },
    'another membership': { content: { membership: 'ban' } },
    'no content': { content: null },
    'no previous events': { prev_events: [] },
    'previous events that are none': { prev_events: ['x'] },
    'too many previous events': { prev_events: new Array(21).fill(`$${HASH}`) },
    'too many auth events': { auth_events: new Array(11).fill(`$${HASH}`) },
    'no list of auth events': { auth_events: {} },
    'a depth that is none': { depth: -1 },
    'a depth past all numbers': { depth: 2 ** 53 },
    'somebody vouching who is nobody': { content: { membership: 'join', join_authorised_via_users_server: 7 } },
  }
  for (const [name, change] of Object.entries(bent)) {
    it(`is not made of a template with ${name}`, () => {
      assert.throws(() => make(answer('11', change), wantedOf('11')), MalformedAnswerError)
    })
  }

  it('names who vouches for a restricted join, in versions that have those', () => {
    const via = { join_authorised_via_users_server: '@admin:there.test' }
    assert.equal(
      make(answer('11', {}, via), wantedOf('11')).content['join_authorised_via_users_server'],
      via.join_authorised_via_users_server,
    )
    assert.deepEqual(make(answer('7', {}, via), wantedOf('7')).content, { displayname: 'Ann', membership: 'join' })
    const knock = make(answer('11', {}, { ...via, membership: 'knock' }), wantedOf('11', 'knock'))
    assert.deepEqual(knock.content, { displayname: 'Ann', membership: 'knock' })
  })

  it('is of a room version that this server has, and that fits the room id', () => {
    const incompatible = { errcode: 'M_INCOMPATIBLE_ROOM_VERSION', extra: { room_version: '99' } }
    assert.throws(() => make({ ...answer('11'), room_version: '99' }, wantedOf('11')), incompatible)
    assert.throws(() => make({ ...answer('12'), room_version: '11' }, wantedOf('12')), MalformedAnswerError)
    assert.throws(() => make({ ...answer('11'), room_version: '12' }, wantedOf('11')), MalformedAnswerError)
  })
})
