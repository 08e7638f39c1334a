import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasValidContentHash } from '#core/event/hash.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { redactJson } from '#core/event/redact.ts'
import {
  addEventSignature,
  hashAndSignEvent,
  requiredSignatures,
  signerFromSeed,
  signingKeyIds,
  signJson,
  verifyEvent,
  verifyJson,
} from '#core/event/sign.ts'
import type { EventId, ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'

const rulesOf = (version: number) => ROOM_VERSIONS.get(String(version)) as RoomVersionRules

// The specification's seed ends in bits that aren't zero, which our own decoder refuses.
const SEED = Buffer.from('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1', 'base64')
const signer = signerFromSeed('domain', '1', SEED)
const other = signerFromSeed('other', '1', Buffer.alloc(32, 9))
const DOMAIN = 'domain' as ServerName
const keys = (keyId: string) => (keyId === 'ed25519:1' ? signer.publicKey : undefined)

const MINIMAL: JsonObject = {
  room_id: '!x:domain',
  sender: '@a:domain',
  origin: 'domain',
  origin_server_ts: 1000000,
  signatures: {},
  hashes: {},
  type: 'X',
  content: {},
  prev_events: [],
  auth_events: [],
  depth: 3,
  unsigned: { age_ts: 1000000 },
}

function signatureOf(json: JsonObject): unknown {
  const signatures = json.signatures as Record<string, Record<string, unknown>>
  return signatures.domain?.['ed25519:1']
}

test('the examples of the specification (appendices, "JSON Signing")', () => {
  assert.deepEqual(signJson({}, signer), {
    signatures: {
      domain: {
        'ed25519:1': 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ',
      },
    },
  })
  assert.equal(
    signatureOf(signJson({ one: 1, two: 'Two' }, signer)),
    'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw',
  )
})

test('the examples of the specification (appendices, "Event Signing")', () => {
  const minimal = hashAndSignEvent(MINIMAL, rulesOf(1), signer)
  assert.deepEqual(minimal, {
    ...MINIMAL,
    hashes: { sha256: '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos' },
    signatures: {
      domain: {
        'ed25519:1': 'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg',
      },
    },
  })
  const message = {
    content: { body: 'Here is the message content' },
    event_id: '$0:domain',
    origin: 'domain',
    origin_server_ts: 1000000,
    type: 'm.room.message',
    room_id: '!r:domain',
    sender: '@u:domain',
    signatures: {},
    unsigned: { age_ts: 1000000 },
  }
  const signed = hashAndSignEvent(message, rulesOf(1), signer)
  assert.deepEqual(signed.hashes, { sha256: 'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g' })
  assert.equal(
    signatureOf(signed),
    'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA',
  )
  assert.deepEqual(signed.unsigned, { age_ts: 1000000 })
  assert.equal(hasValidContentHash(signed), true)
  assert.equal(hasValidContentHash({ ...signed, unsigned: {} }), true)
  assert.equal(hasValidContentHash({ ...signed, content: { body: 'changed' } }), false)
  assert.equal(hasValidContentHash({ ...signed, hashes: {} }), false)
})

test('signing keeps the signatures of others and what is unsigned', () => {
  const twice = signJson(signJson({ a: 1, unsigned: { b: 2 } }, other), signer)
  assert.equal(verifyJson(twice, 'domain', keys), 'valid')
  assert.equal(
    verifyJson(twice, 'other', () => other.publicKey),
    'valid',
  )
  assert.deepEqual(twice.unsigned, { b: 2 })
  assert.equal(verifyJson({ ...twice, unsigned: 1 }, 'domain', keys), 'valid')
})

test('an event verifies whole and redacted, and not with a changed essential field', () => {
  for (const rules of ROOM_VERSIONS.values()) {
    const signed = hashAndSignEvent({ ...MINIMAL, content: { body: 'x' } }, rules, signer)
    assert.equal(verifyEvent(signed, rules, DOMAIN, keys), 'valid')
    assert.equal(verifyEvent(redactJson(signed, rules), rules, DOMAIN, keys), 'valid')
    assert.equal(verifyEvent({ ...signed, depth: 4 }, rules, DOMAIN, keys), 'invalid')
    assert.equal(verifyEvent(addEventSignature(signed, rules, other), rules, DOMAIN, keys), 'valid')
  }
})

test('signatures: unknown keys are skipped, the known ones must hold', () => {
  const signed = signJson({ a: 1 }, signer)
  const signature = signatureOf(signed) as string
  const verdict = (own: JsonObject[string]) => verifyJson({ a: 1, signatures: { domain: own } }, 'domain', keys)
  assert.equal(verdict({ 'ed25519:1': signature }), 'valid')
  assert.equal(verdict({ 'ed25519:1': `${signature}==` }), 'valid')
  assert.equal(verdict({ 'ed25519:1': signature, 'ed25519:2': 'junk', 'rsa:1': 'junk' }), 'valid')
  assert.equal(verdict({ 'ed25519:2': signature }), 'unknown key')
  assert.equal(verdict({ 'rsa:1': signature }), 'unsigned')
  for (const none of [null, [], 'text', {}]) assert.equal(verdict(none), 'unsigned')
  assert.equal(verifyJson({ a: 1 }, 'domain', keys), 'unsigned')
  assert.equal(verifyJson({ a: 1, signatures: {} }, 'constructor', keys), 'unsigned')
  // J15
  const junk = [null, 1, '', signature.slice(1), ` ${signature}`, signature.replace(/[+/]/, '-'), `${signature}=`]
  for (const value of junk) assert.equal(verdict({ 'ed25519:1': value }), 'invalid', JSON.stringify(value))
  assert.deepEqual(signingKeyIds(signed, 'domain'), ['ed25519:1'])
})

function required(version: number, json: JsonObject, eventId = '$e'): string[] {
  const event = viewEvent({ ...MINIMAL, ...json }, rulesOf(version), eventId as EventId)
  return [...requiredSignatures(event)].sort()
}

test("the sender's server must have signed, and in versions 1 and 2 the one that chose the event id", () => {
  assert.deepEqual(required(1, {}, '$x:elsewhere:80'), ['domain', 'elsewhere:80'])
  assert.deepEqual(required(2, {}, '$x:domain'), ['domain'])
  for (let version = 3; version <= 12; version++) assert.deepEqual(required(version, {}), ['domain'])
})

test('a third-party invitation needs no signature of the sender', () => {
  const invite = { type: 'm.room.member', content: { membership: 'invite', third_party_invite: { signed: {} } } }
  assert.deepEqual(required(11, invite), [])
  assert.deepEqual(required(1, invite, '$x:elsewhere'), ['elsewhere'])
  assert.deepEqual(required(11, { ...invite, content: { membership: 'join', third_party_invite: {} } }), ['domain'])
  assert.deepEqual(required(11, { ...invite, content: { membership: 'invite', third_party_invite: null } }), ['domain'])
  assert.deepEqual(required(11, { ...invite, type: 'X' }), ['domain'])
})

test('the server of the authorising user must have signed where joins can be restricted', () => {
  const content = { membership: 'join', join_authorised_via_users_server: '@b:helper' }
  assert.deepEqual(required(7, { type: 'm.room.member', content }), ['domain'])
  for (let version = 8; version <= 12; version++) {
    assert.deepEqual(required(version, { type: 'm.room.member', content }), ['domain', 'helper'])
  }
  assert.deepEqual(required(11, { type: 'X', content }), ['domain'])
})

test('J4: names such as __proto__ sign like others', () => {
  const odd = signerFromSeed('__proto__', '1', Buffer.alloc(32, 3))
  const signed = signJson({}, odd)
  assert.ok(canonicalJson(signed).startsWith('{"signatures":{"__proto__":{"ed25519:1":'))
  assert.equal(
    verifyJson(signed, '__proto__', () => odd.publicKey),
    'valid',
  )
})
