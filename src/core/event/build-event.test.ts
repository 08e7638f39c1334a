import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { buildEvent, type EventTemplate, OWN_EVENT_BYTES_MAX } from '#core/event/build-event.ts'
import { hasValidContentHash, referenceTo } from '#core/event/hash.ts'
import { expectEvent } from '#core/event/parse-event.ts'
import { redactJson } from '#core/event/redact.ts'
import { hashAndSignEvent, signerFromSeed, verifyEvent } from '#core/event/sign.ts'
import type { EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import { canonicalByteLength, canonicalJson } from '#core/json/canonical.ts'
import { parseJsonText } from '#core/json/parse.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'

const rulesOf = (version: number) => ROOM_VERSIONS.get(String(version)) as RoomVersionRules
const signer = signerFromSeed('x:8448', 'a', Buffer.alloc(32, 5))
const SERVER = 'x:8448' as ServerName
const keys = () => signer.publicKey
const localpart = () => 'random'

function template(rules: RoomVersionRules, changes: Partial<EventTemplate> = {}): EventTemplate {
  return {
    type: 'm.room.message',
    sender: '@a:x:8448' as UserId,
    content: { body: 'hello' },
    room_id: (rules.roomIdIsCreateHash ? `!${'r'.repeat(43)}` : '!r:x') as RoomId,
    prev_events: [],
    auth_events: [],
    depth: 1,
    origin_server_ts: 5,
    ...changes,
  }
}
const build = (rules: RoomVersionRules, changes: Partial<EventTemplate> = {}) =>
  buildEvent(template(rules, changes), rules, signer, localpart)

const content = fc.oneof(
  fc.constantFrom<JsonObject>(
    { membership: 'join', displayname: 'A', third_party_invite: { display_name: 'B', signed: { token: 't' } } },
    { membership: 'join', join_authorised_via_users_server: '@b:y' },
    { users: { '@a:x': 100 }, invite: 5, notifications: { room: 1 } },
    { join_rule: 'restricted', allow: [] },
    { creator: '@a:x', room_version: '1' },
    JSON.parse('{"__proto__":{"a":1},"10":1,"9":2,"😀":1,"ﬁ":2}'),
  ),
  fc.dictionary(
    fc.string({ unit: 'binary' }),
    fc.oneof(fc.maxSafeInteger(), fc.string({ unit: 'binary' }), fc.boolean()),
    { noNullPrototype: true },
  ),
)
const anyTemplate = fc.record({
  type: fc.constantFrom('m.room.message', 'm.room.member', 'm.room.power_levels', 'm.room.join_rules', 'm.room.create'),
  content,
  state_key: fc.constantFrom('', '@a:x:8448'),
  depth: fc.maxSafeNat(),
})

test('what is built is well-formed, signed and whole, in each version', () => {
  fc.assert(
    fc.property(anyTemplate, fc.constantFrom(...ROOM_VERSIONS.values()), (changes, rules) => {
      const full = template(rules, changes)
      const { room_id: _, ...withoutRoom } = full
      const isHashCreate = rules.roomIdIsCreateHash && full.type === 'm.room.create'
      const event = buildEvent(isHashCreate ? withoutRoom : full, rules, signer, localpart)
      const received = parseJsonText(canonicalJson(event.json), { depthMax: 100, lossless: true })
      const parsed = expectEvent(received, rules)
      assert.deepEqual({ ...parsed, json: null }, { ...event, json: null })
      assert.equal(hasValidContentHash(parsed.json), true)
      assert.equal(verifyEvent(parsed.json, rules, SERVER, keys), 'valid')
      const { hashes: _hashes, signatures: _signatures, ...bare } = event.json
      // The shared work of building comes to the same as the steps one by one.
      assert.equal(canonicalJson(hashAndSignEvent(bare, rules, signer)), canonicalJson(event.json))
      // A redacted event keeps its id and signature, and redacting it again changes nothing.
      const redacted = redactJson(event.json, rules)
      assert.equal(canonicalJson(redactJson(redacted, rules)), canonicalJson(redacted))
      assert.equal(expectEvent(redacted, rules).eventId, event.eventId)
      assert.equal(verifyEvent(redacted, rules, SERVER, keys), 'valid')
    }),
    { numRuns: 300 },
  )
})

test('versions 1 and 2 have ids of our choice and cite with hashes', () => {
  for (const version of [1, 2]) {
    const first = build(rulesOf(version))
    assert.equal(first.eventId, '$random:x:8448')
    const second = build(rulesOf(version), { prev_events: [referenceTo(first)], auth_events: [referenceTo(first)] })
    assert.deepEqual(second.prevEvents, [first.eventId])
    assert.deepEqual(second.json.prev_events, [referenceTo(first)])
    assert.equal(expectEvent(second.json, rulesOf(version)).eventId, second.eventId)
  }
})

test('the redacted event stands where the version wants it', () => {
  for (const rules of ROOM_VERSIONS.values()) {
    const redacts = (rules.eventIdFormat === 'chosen' ? '$e:x' : `$${'e'.repeat(43)}`) as EventId
    const event = build(rules, { type: 'm.room.redaction', content: { reason: 'spam' }, redacts })
    assert.equal(event.redacts, redacts)
    const expected = rules.redactsInContent ? { reason: 'spam', redacts } : { reason: 'spam' }
    assert.deepEqual(event.content, expected)
    assert.equal(event.json.redacts, rules.redactsInContent ? undefined : redacts)
  }
})

test('we make no numbers that canonical JSON forbids, in any version', () => {
  for (const rules of ROOM_VERSIONS.values()) {
    for (const text of ['1.0', '1e3', '-0', '9007199254740992']) {
      const odd = parseJsonText(`{"n":${text}}`, { depthMax: 10, lossless: true }) as JsonObject
      assert.throws(() => build(rules, { content: odd }), { errcode: 'M_BAD_JSON' })
    }
    assert.throws(() => build(rules, { depth: 2 ** 53 }), { errcode: 'M_BAD_JSON' })
  }
})

test('our events have at most 65,535 bytes, their fields 255', () => {
  for (const rules of ROOM_VERSIONS.values()) {
    const rest = canonicalByteLength(build(rules, { content: { body: '' } }).json)
    const body = (bytes: number) => ({ content: { body: 'é'.repeat(10) + 'a'.repeat(bytes - 20) } })
    const largest = build(rules, body(OWN_EVENT_BYTES_MAX - rest))
    assert.equal(canonicalByteLength(largest.json), OWN_EVENT_BYTES_MAX)
    assert.throws(() => build(rules, body(OWN_EVENT_BYTES_MAX - rest + 1)), { errcode: 'M_TOO_LARGE' })
    assert.throws(() => build(rules, { type: 'é'.repeat(128) }), { errcode: 'M_TOO_LARGE' })
    assert.throws(() => build(rules, { state_key: 'a'.repeat(256) }), { errcode: 'M_TOO_LARGE' })
    assert.throws(() => build(rules, { state_key: 'a\0' }), { errcode: 'M_INVALID_PARAM' })
  }
})
