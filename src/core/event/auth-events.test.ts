import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authEventKeys } from '#core/event/auth-events.ts'
import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'

const rulesOf = (version: number) => ROOM_VERSIONS.get(String(version)) as RoomVersionRules
const ALICE = '@alice:x' as UserId

function keysOf(version: number, type: string, stateKey: string | null, content: JsonObject): string[] {
  return authEventKeys({ type, stateKey, sender: ALICE, content }, rulesOf(version)).map((key) => key.join(' ').trim())
}
const BASE = ['m.room.create', 'm.room.power_levels', 'm.room.member @alice:x']

test('a create event cites nothing; a message the create event, power levels and its sender', () => {
  assert.deepEqual(keysOf(11, 'm.room.create', '', {}), [])
  for (let version = 1; version <= 11; version++) assert.deepEqual(keysOf(version, 'm.room.message', null, {}), BASE)
})

test('S13: in version 12 the create event is never cited', () => {
  assert.deepEqual(keysOf(12, 'm.room.message', null, {}), BASE.slice(1))
})

test('memberships cite the target and, if they depend on them, the join rules', () => {
  const member = (stateKey: string, membership: string) => keysOf(11, 'm.room.member', stateKey, { membership })
  assert.deepEqual(member('@alice:x', 'join'), [...BASE, 'm.room.join_rules'])
  assert.deepEqual(member('@bob:x', 'invite'), [...BASE, 'm.room.member @bob:x', 'm.room.join_rules'])
  assert.deepEqual(member('@alice:x', 'knock'), [...BASE, 'm.room.join_rules'])
  assert.deepEqual(member('@bob:x', 'ban'), [...BASE, 'm.room.member @bob:x'])
  assert.deepEqual(member('@alice:x', 'leave'), BASE)
})

test('third-party invitations cite the event of their token', () => {
  const content = (token: JsonObject[string]) => ({ membership: 'invite', third_party_invite: { signed: { token } } })
  const expected = [...BASE, 'm.room.member @bob:x', 'm.room.join_rules']
  assert.deepEqual(keysOf(1, 'm.room.member', '@bob:x', content('abc')), [...expected, 'm.room.third_party_invite abc'])
  for (const token of [null, 1, {}]) assert.deepEqual(keysOf(1, 'm.room.member', '@bob:x', content(token)), expected)
  assert.deepEqual(keysOf(1, 'm.room.member', '@bob:x', { membership: 'invite', third_party_invite: [] }), expected)
})

test('restricted joins cite the authorising member, once', () => {
  const content = { membership: 'join', join_authorised_via_users_server: '@carol:y' }
  const expected = [...BASE, 'm.room.join_rules']
  assert.deepEqual(keysOf(7, 'm.room.member', '@alice:x', content), expected)
  assert.deepEqual(keysOf(8, 'm.room.member', '@alice:x', content), [...expected, 'm.room.member @carol:y'])
  const byOneself = { ...content, join_authorised_via_users_server: '@alice:x' }
  assert.deepEqual(keysOf(8, 'm.room.member', '@alice:x', byOneself), expected)
  assert.deepEqual(keysOf(8, 'm.room.member', '@alice:x', { ...content, membership: 'leave' }), BASE)
  assert.deepEqual(
    keysOf(8, 'm.room.member', '@alice:x', { ...content, join_authorised_via_users_server: 1 }),
    expected,
  )
})
