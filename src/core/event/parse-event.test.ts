import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventIdOf, referenceTo } from '#core/event/hash.ts'
import { EVENT_BYTES_MAX, expectEvent, parseEvent } from '#core/event/parse-event.ts'
import type { EventId } from '#core/ids.ts'
import { canonicalByteLength, canonicalJson } from '#core/json/canonical.ts'
import { parseJsonText } from '#core/json/parse.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'

const rulesOf = (version: number) => ROOM_VERSIONS.get(String(version)) as RoomVersionRules
const HASH = 'Nhcu5BSBUMnFX7hBVfVSoXiD7OgH6iRTIxyIuqDnpYQ'

/** A well-formed event of a room version. */
function sample(version: number, changes: JsonObject = {}): JsonObject {
  const rules = rulesOf(version)
  const reference = rules.eventReferences === 'pairs' ? ['$p:x', { sha256: HASH }] : `$${HASH}`
  return {
    ...(rules.eventIdFormat === 'chosen' ? { event_id: '$e:x' } : {}),
    auth_events: [reference],
    content: { body: 'hello' },
    depth: 2,
    hashes: { sha256: HASH },
    origin_server_ts: 1,
    prev_events: [reference],
    room_id: rules.roomIdIsCreateHash ? `!${HASH}` : '!r:x',
    sender: '@a:x',
    signatures: { x: { 'ed25519:1': 'abc' } },
    type: 'm.room.message',
    ...changes,
  }
}

function refusal(version: number, changes: JsonObject): string {
  const parsed = parseEvent(sample(version, changes), rulesOf(version))
  return parsed.ok ? 'accepted' : parsed.errcode
}

function dropped(version: number, key: string): string {
  const json = Object.fromEntries(Object.entries(sample(version)).filter(([name]) => name !== key))
  const parsed = parseEvent(json, rulesOf(version))
  return parsed.ok ? 'accepted' : parsed.errcode
}

const allVersions = Array.from(ROOM_VERSIONS.keys(), Number)

test('a well-formed event of each room version is read', () => {
  for (const version of allVersions) {
    const rules = rulesOf(version)
    const json = sample(version)
    const event = expectEvent(json, rules)
    assert.equal(event.json, json)
    assert.equal(event.eventId, version <= 2 ? '$e:x' : eventIdOf(json, rules))
    const cited = version <= 2 ? ['$p:x'] : [`$${HASH}`]
    assert.deepEqual([event.prevEvents, event.authEvents], [cited, cited])
    assert.deepEqual(
      [event.roomId, event.sender, event.type, event.stateKey],
      [json.room_id, '@a:x', 'm.room.message', null],
    )
    assert.deepEqual([event.depth, event.originServerTs, event.redacts], [2, 1, null])
  }
})

test('event ids are the reference hash, in standard base64 in version 3 only', () => {
  // A hash whose text differs between the alphabets: found by counting up.
  const json = Array.from({ length: 100 }, (_, depth) => sample(3, { depth })).find((event) =>
    /[+/]/.test(eventIdOf(event, rulesOf(3))),
  ) as JsonObject
  const standard = eventIdOf(json, rulesOf(3))
  assert.equal(eventIdOf(json, rulesOf(4)), standard.replaceAll('+', '-').replaceAll('/', '_'))
  assert.equal(eventIdOf({ ...json, unsigned: {}, signatures: {}, extra: 1 }, rulesOf(3)), standard)
  assert.notEqual(eventIdOf({ ...json, depth: 1000 }, rulesOf(3)), standard)
})

test('citations are pairs with the reference hash in versions 1 and 2, ids after', () => {
  const old = referenceTo(expectEvent(sample(1), rulesOf(1)))
  assert.ok(Array.isArray(old))
  assert.equal(old[0], '$e:x')
  assert.match(old[1].sha256, /^[A-Za-z0-9+/]{43}$/)
  const event = expectEvent(sample(10), rulesOf(10))
  assert.equal(referenceTo(event), event.eventId)
})

test('fields that are missing or of a wrong type make an event malformed', () => {
  const wrong: Record<string, JsonValue[]> = {
    auth_events: [null, {}, '', [1], [[]], [null]],
    content: [null, [], 'x', 1],
    depth: [null, '1', 1.5, -1, 2 ** 53, JSON.rawJSON('1.0'), JSON.rawJSON('9007199254740992')],
    hashes: [null, [], 'x'],
    origin_server_ts: [null, '1', 1.5, JSON.rawJSON('1e3')],
    prev_events: [null, {}, '', [1], [['$p:x']], [['$p:x', {}, {}]], [['$p:x', 'x']]],
    room_id: [null, 1, '', 'r:x', '!r', '$r:x'],
    sender: [null, 1, '', 'a:x', '@a', '@a:', '@a:x y'],
    signatures: [null, [], 'x'],
    type: [null, 1, {}],
  }
  for (const version of allVersions) {
    for (const [key, values] of Object.entries(wrong)) {
      for (const value of values)
        assert.equal(refusal(version, { [key]: value }), 'M_BAD_JSON', `${version} ${key} ${JSON.stringify(value)}`)
      assert.equal(dropped(version, key), 'M_BAD_JSON', `${version} ${key}`)
    }
    assert.equal(refusal(version, { unsigned: [] }), 'M_BAD_JSON')
  }
  assert.throws(() => expectEvent([], rulesOf(1)), { errcode: 'M_BAD_JSON' })
})

test('versions 1 and 2 name their event; the others cite by hash', () => {
  assert.equal(dropped(1, 'event_id'), 'M_BAD_JSON')
  assert.equal(refusal(2, { event_id: `$${HASH}` }), 'M_BAD_JSON')
  assert.equal(refusal(2, { prev_events: [`$${HASH}`] }), 'M_BAD_JSON')
  assert.equal(refusal(3, { prev_events: [['$p:x', { sha256: HASH }]] }), 'M_BAD_JSON')
  assert.equal(refusal(3, { prev_events: ['$p:x'] }), 'M_BAD_JSON')
  assert.equal(refusal(4, { prev_events: [`$${HASH.replace('B', '+')}`] }), 'M_BAD_JSON')
})

test('J17: an empty state key is state, none is not, and null is malformed', () => {
  for (const version of allVersions) {
    assert.equal(expectEvent(sample(version, { state_key: '' }), rulesOf(version)).stateKey, '')
    assert.equal(refusal(version, { state_key: null }), 'M_BAD_JSON')
    assert.equal(refusal(version, { state_key: 0 }), 'M_BAD_JSON')
    assert.equal(expectEvent(sample(version, { depth: 0 }), rulesOf(version)).depth, 0)
  }
})

test('S40: depth goes to 2^53 − 1 in all versions', () => {
  for (const version of allVersions) assert.equal(refusal(version, { depth: Number.MAX_SAFE_INTEGER }), 'accepted')
})

test('J1: strict numbers from version 6 on; before, what was received stays as it is', () => {
  for (const text of ['1.0', '1e3', '-0', '9007199254740992', '-9007199254740992', '0.1']) {
    const content = parseJsonText(`{"deep":[{"n":${text}}]}`, { depthMax: 10, lossless: true })
    for (const version of allVersions) {
      assert.equal(refusal(version, { content }), version >= 6 ? 'M_BAD_JSON' : 'accepted', `${version} ${text}`)
    }
    assert.ok(canonicalJson(expectEvent(sample(5, { content }), rulesOf(5)).json).includes(`{"n":${text}}`))
  }
})

test('S13: in version 12 the create event has no room id, and gives the room its own', () => {
  const { room_id: _, ...create } = sample(12, {
    type: 'm.room.create',
    state_key: '',
    prev_events: [],
    auth_events: [],
  })
  const event = expectEvent(create, rulesOf(12))
  assert.equal(event.roomId, `!${event.eventId.slice(1)}`)
  assert.equal(refusal(12, { type: 'm.room.create', state_key: '' }), 'M_BAD_JSON')
  assert.equal(refusal(12, { room_id: '!r:x' }), 'M_BAD_JSON')
  assert.equal(refusal(11, { room_id: `!${HASH}` }), 'M_BAD_JSON')
  assert.equal(expectEvent(sample(11, { type: 'm.room.create' }), rulesOf(11)).roomId, '!r:x')
})

test('limits: 20 previous events, 10 authorising ones', () => {
  for (const version of [1, 12]) {
    const [reference] = sample(version).prev_events as JsonValue[]
    const list = (count: number) => Array.from({ length: count }, () => reference as JsonValue)
    assert.equal(refusal(version, { prev_events: list(20), auth_events: list(10) }), 'accepted')
    assert.equal(refusal(version, { prev_events: list(21) }), 'M_BAD_JSON')
    assert.equal(refusal(version, { auth_events: list(11) }), 'M_BAD_JSON')
  }
})

test('limits: fields of 255 bytes', () => {
  for (const version of allVersions) {
    for (const key of ['type', 'state_key']) {
      for (const text of ['a'.repeat(255), 'é'.repeat(127)]) assert.equal(refusal(version, { [key]: text }), 'accepted')
      for (const text of ['a'.repeat(256), 'é'.repeat(128), '😀'.repeat(64)]) {
        assert.equal(refusal(version, { [key]: text }), 'M_TOO_LARGE')
      }
      assert.equal(refusal(version, { [key]: 'a\0' }), 'M_BAD_JSON')
    }
    assert.equal(refusal(version, { sender: `@${'a'.repeat(253)}:x` }), 'M_BAD_JSON')
  }
})

test('limits: an event of 65,536 bytes, signatures included', () => {
  for (const version of allVersions) {
    const rest = canonicalByteLength(sample(version, { content: { body: '' } }))
    const body = (bytes: number) => ({ content: { body: 'é'.repeat(10) + 'a'.repeat(bytes - 20) } })
    assert.equal(refusal(version, body(EVENT_BYTES_MAX - rest)), 'accepted')
    assert.equal(refusal(version, body(EVENT_BYTES_MAX - rest + 1)), 'M_TOO_LARGE')
  }
})

test('J10: an event nested 32,000 deep is read', () => {
  const text = canonicalJson(sample(11)).replace('"hello"', '['.repeat(32_000) + ']'.repeat(32_000))
  const json = parseJsonText(text, { depthMax: 65_536, lossless: true })
  assert.equal(canonicalJson(expectEvent(json, rulesOf(11)).json), text)
})

test('historical senders are accepted', () => {
  for (const sender of ['@:x', '@A b:x', '@é:x']) {
    for (const version of allVersions) assert.equal(refusal(version, { sender }), 'accepted')
  }
})

test('the redacted event is named in content from version 11 on', () => {
  const changes = { type: 'm.room.redaction', redacts: '$top', content: { redacts: '$inside' } }
  for (const version of allVersions) {
    const event = expectEvent(sample(version, changes), rulesOf(version))
    assert.equal(event.redacts, version >= 11 ? '$inside' : '$top')
    assert.equal(expectEvent(sample(version, { ...changes, type: 'X' }), rulesOf(version)).redacts, null)
    const odd = { type: 'm.room.redaction', redacts: 1, content: { redacts: {} } }
    assert.equal(expectEvent(sample(version, odd), rulesOf(version)).redacts, null)
  }
})

test('an authorising user that is none makes a join malformed where joins can be restricted', () => {
  const changes = { type: 'm.room.member', content: { membership: 'join', join_authorised_via_users_server: 'nobody' } }
  assert.equal(refusal(7, changes), 'accepted')
  assert.equal(refusal(8, changes), 'M_BAD_JSON')
})

test('an id that is known is not computed again', () => {
  const parsed = parseEvent(sample(11), rulesOf(11), { eventId: '$known' as EventId })
  assert.equal(parsed.ok && parsed.event.eventId, '$known')
})
