import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redactJson } from '#core/event/redact.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'

const rulesOf = (version: number) => ROOM_VERSIONS.get(String(version)) as RoomVersionRules
const versions = (from: number, to = 12) => Array.from({ length: to - from + 1 }, (_, i) => rulesOf(from + i))

const EVENT: JsonObject = {
  auth_events: [],
  content: { a: 1 },
  depth: 1,
  event_id: '$0:x',
  hashes: {},
  origin_server_ts: 1,
  prev_events: [],
  room_id: '!r:x',
  sender: '@a:x',
  signatures: {},
  state_key: '',
  type: 'T',
}
const EXTRA: JsonObject = {
  __proto_: 1,
  age: 1,
  membership: 'join',
  origin: 'x',
  prev_state: [],
  redacts: '$1:x',
  unsigned: {},
}

function redactedContent(type: string, content: JsonObject, rules: RoomVersionRules): unknown {
  return redactJson({ ...EVENT, type, content }, rules).content
}

test('top-level keys that every version keeps, and those that versions before 11 keep besides', () => {
  for (const rules of versions(1)) {
    const redacted = redactJson({ ...EVENT, ...EXTRA }, rules)
    const kept = Object.keys(redacted).filter((key) => !Object.hasOwn(EVENT, key))
    assert.deepEqual(kept.sort(), rules.redactsInContent ? [] : ['membership', 'origin', 'prev_state'], rules.version)
    assert.deepEqual(
      { ...redacted, content: EVENT.content },
      {
        ...EVENT,
        ...Object.fromEntries(kept.map((key) => [key, EXTRA[key]])),
      },
    )
  }
})

/** Keys of content and the first and last room version that keep them. */
const CONTENT_TABLE: Record<string, Record<string, [from: number, to: number] | null>> = {
  'm.room.member': {
    membership: [1, 12],
    join_authorised_via_users_server: [9, 12],
    displayname: null,
    avatar_url: null,
    reason: null,
    is_direct: null,
  },
  'm.room.create': { creator: [1, 12], room_version: [11, 12], 'm.federate': [11, 12], predecessor: [11, 12] },
  'm.room.join_rules': { join_rule: [1, 12], allow: [8, 12], extra: null },
  'm.room.power_levels': {
    ban: [1, 12],
    events: [1, 12],
    events_default: [1, 12],
    kick: [1, 12],
    redact: [1, 12],
    state_default: [1, 12],
    users: [1, 12],
    users_default: [1, 12],
    invite: [11, 12],
    notifications: null,
  },
  'm.room.aliases': { aliases: [1, 5], extra: null },
  'm.room.history_visibility': { history_visibility: [1, 12], extra: null },
  'm.room.redaction': { redacts: [11, 12], reason: null },
  'm.room.name': { name: null },
  'm.room.message': { body: null, membership: null },
  constructor: { name: null },
  __proto__x: { creator: null },
}

test('keys of content that each version keeps', () => {
  for (const [type, keys] of Object.entries(CONTENT_TABLE)) {
    const content = Object.fromEntries(Object.keys(keys).map((key) => [key, [key]]))
    for (const rules of versions(1)) {
      const version = Number(rules.version)
      const expected = Object.entries(keys).filter(([, range]) => range && version >= range[0] && version <= range[1])
      assert.deepEqual(
        redactedContent(type, content, rules),
        Object.fromEntries(expected.map(([key]) => [key, [key]])),
        `${type} in version ${version}`,
      )
    }
  }
})

test('versions from 11 on keep the signed part of a third-party invitation', () => {
  const content = { membership: 'invite', third_party_invite: { display_name: 'A', signed: { token: 't' } } }
  for (const rules of versions(1, 10)) {
    assert.deepEqual(redactedContent('m.room.member', content, rules), { membership: 'invite' })
  }
  for (const rules of versions(11)) {
    const signed = { membership: 'invite', third_party_invite: { signed: { token: 't' } } }
    assert.deepEqual(redactedContent('m.room.member', content, rules), signed)
    for (const malformed of ['text', null, ['signed'], 1]) {
      const redacted = redactedContent('m.room.member', { ...content, third_party_invite: malformed }, rules)
      assert.deepEqual(redacted, { membership: 'invite' })
    }
  }
})

test('J4: keys of Object.prototype in content are kept or dropped like others, and change no prototype', () => {
  const content = JSON.parse('{"__proto__":{"membership":"join"},"constructor":1,"membership":"leave"}') as JsonObject
  for (const rules of versions(1)) {
    assert.equal(
      canonicalJson(redactedContent('m.room.member', content, rules) as JsonObject),
      '{"membership":"leave"}',
    )
  }
  const create = redactedContent('m.room.create', content, rulesOf(11)) as JsonObject
  assert.equal(canonicalJson(create), '{"__proto__":{"membership":"join"},"constructor":1,"membership":"leave"}')
})

test('the event given is left as it was, and odd content is none', () => {
  const event = { ...EVENT, ...EXTRA, type: 'm.room.member', content: { membership: 'join', third_party_invite: {} } }
  const before = canonicalJson(event)
  for (const rules of versions(1)) redactJson(event, rules)
  assert.equal(canonicalJson(event), before)
  for (const content of [null, [], 'text']) {
    assert.deepEqual(redactJson({ ...EVENT, content }, rulesOf(1)).content, {})
  }
})
