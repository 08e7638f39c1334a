import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { encodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed, signJson, verifyJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { DOCUMENTS_MAX, KnownKeys } from '#services/federation/keys/known-keys.ts'
import { Notary } from '#services/federation/keys/notary.ts'
import { OwnKeys } from '#services/federation/keys/own-keys.ts'
import { readServerKeys, type ServerKeys } from '#services/federation/keys/server-keys.ts'
import { type RoomFixture, roomFixture, SERVER } from '#test/rooms/room-fixture.ts'

const NOW = 1_700_000_000_000
const DAY = 86_400_000
const US = signerFromSeed(SERVER, 'a', new Uint8Array(32).fill(7))

let servers = 0
let server: ServerName
let fixture: RoomFixture
let known: KnownKeys
let notary: Notary
before(async () => {
  fixture = await roomFixture()
  const clock = () => NOW
  const ownKeys = new OwnKeys({ signer: US, oldKeys: [], clock })
  known = new KnownKeys({ store: fixture.store, ownKeys, clock, log: { info() {}, warn() {}, error() {} } })
  notary = new Notary({ signer: US, ownKeys, known, keyRing: { refresh: async () => undefined }, clock })
})
beforeEach(() => {
  server = `s${servers++}.test` as ServerName
})
after(() => fixture[Symbol.asyncDispose]())

const signerOf = (n: number): Signer => signerFromSeed(server, `k${n}`, new Uint8Array(32).fill(n + 1))

/** What the server says when it signs with its n-th key, and when; it names no former keys but those given. */
function said(n: number, day: number, old: JsonObject = {}): ServerKeys {
  const signer = signerOf(n)
  const verify_keys = { [signer.keyId]: { key: encodeBase64(signer.publicKey) } }
  const json = { server_name: server, verify_keys, old_verify_keys: old, valid_until_ts: NOW + day * DAY }
  const keys = readServerKeys(signJson(json, signer), server)
  assert.ok(typeof keys !== 'string', String(keys))
  return keys
}

/** The key ids of the answers about the server, in order. */
async function answered(): Promise<string[][]> {
  const answers = await notary.query(new Map([[server, null]]))
  for (const answer of answers) {
    assert.equal(
      verifyJson(answer, US.name, () => US.publicKey),
      'valid',
    )
  }
  return answers.map((answer) => Object.keys(answer['verify_keys'] as JsonObject))
}

describe('a notary’s answer', () => {
  it('holds keys that the server once had and names no more', async () => {
    await known.learn(said(1, 1))
    await known.learn(said(2, 2))
    assert.deepEqual(await answered(), [['ed25519:k2'], ['ed25519:k1']])
    await known.learn(said(2, 3))
    assert.deepEqual(await answered(), [['ed25519:k2'], ['ed25519:k1']])
  })

  it('holds them too where an older answer comes later', async () => {
    await known.learn(said(2, 2))
    await known.learn(said(1, 1))
    assert.deepEqual(await answered(), [['ed25519:k2'], ['ed25519:k1']])
  })

  it('is one document where the server names its former keys itself', async () => {
    await known.learn(said(1, 1))
    const old = { 'ed25519:k1': { key: encodeBase64(signerOf(1).publicKey), expired_ts: NOW } }
    await known.learn(said(2, 2, old))
    assert.deepEqual(await answered(), [['ed25519:k2']])
  })

  it('goes back a few keys', async () => {
    for (let n = 0; n <= DOCUMENTS_MAX; n++) await known.learn(said(n, n + 1))
    const ids = Array.from({ length: DOCUMENTS_MAX }, (_, n) => [`ed25519:k${DOCUMENTS_MAX - n}`])
    assert.deepEqual(await answered(), ids)
  })
})
