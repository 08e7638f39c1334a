/** How many servers are asked for their keys at once for the sake of origins that nobody has proved. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { encodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed, signJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { KeyFetcher } from '#services/federation/keys/key-fetcher.ts'
import { KeyRing } from '#services/federation/keys/key-ring.ts'
import { KnownKeys } from '#services/federation/keys/known-keys.ts'
import { Notary } from '#services/federation/keys/notary.ts'
import { OwnKeys } from '#services/federation/keys/own-keys.ts'
import type { FederationClient, FederationReply } from '#services/federation/transport/federation-client.ts'
import { type RoomFixture, roomFixture, SERVER } from '#test/rooms/room-fixture.ts'

const NOW = 1_700_000_000_000
const US = signerFromSeed(SERVER, 'a', new Uint8Array(32).fill(7))
const signerOf = (name: string): Signer => signerFromSeed(name, '1', new Uint8Array(32).fill(3))

let fixture: RoomFixture
let keyRing: KeyRing
let notary: Notary
/** Questions under way. */
let underWay: number
let mostUnderWay: number
let letGo: () => void
let names = 0
const stranger = () => `stranger${names++}.test` as ServerName

before(async () => {
  fixture = await roomFixture()
})
after(() => fixture[Symbol.asyncDispose]())

beforeEach(() => {
  underWay = 0
  mostUnderWay = 0
  const { promise: held, resolve } = Promise.withResolvers<void>()
  letGo = resolve
  const client = {
    async request({ destination }: { destination: ServerName }): Promise<FederationReply> {
      underWay += 1
      mostUnderWay = Math.max(mostUnderWay, underWay)
      if (destination.startsWith('stranger')) await held
      underWay -= 1
      if (destination.startsWith('stranger')) return { outcome: 'timed out' }
      const signer = signerOf(destination)
      const verify_keys = { [signer.keyId]: { key: encodeBase64(signer.publicKey) } }
      const json = { server_name: destination, verify_keys, old_verify_keys: {}, valid_until_ts: NOW + 1_000 }
      return { outcome: 'answered', status: 200, json: signJson(json, signer), bytes: new Uint8Array() }
    },
  }
  const clock = () => NOW
  const ownKeys = new OwnKeys({ signer: US, oldKeys: [], clock })
  const known = new KnownKeys({ store: fixture.store, ownKeys, clock, log: { info() {}, warn() {}, error() {} } })
  keyRing = new KeyRing({
    serverName: SERVER as ServerName,
    known,
    fetcher: new KeyFetcher(client as unknown as FederationClient),
    trustedNotaries: [],
    retry: { baseMs: 60_000, maxMs: 3_600_000 },
    clock,
    timers: { after: () => () => {} },
  })
  notary = new Notary({ signer: US, ownKeys, known, keyRing, clock })
})

/** Requests of strangers from an address; how many were refused at once. */
function flood(count: number, address: string): { readonly all: Promise<unknown>; readonly refused: () => number } {
  let refused = 0
  const requests = Array.from({ length: count }, async () => {
    try {
      await keyRing.requestKeys(stranger(), ['ed25519:1'], address)
    } catch (error) {
      assert.equal((error as { errcode?: string }).errcode, 'M_LIMIT_EXCEEDED')
      refused += 1
    }
  })
  return { all: Promise.all(requests), refused: () => refused }
}

/** Lets what needs no answer from others happen. */
const settled = async () => {
  for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve))
}

describe('requests with invented origins', () => {
  it('of one address hold few connections, and are refused beyond a bounded queue', async () => {
    const requests = flood(600, '192.0.2.1')
    await settled()
    assert.equal(underWay, 10)
    assert.equal(requests.refused(), 540)
    const honest = 'honest.example' as ServerName
    assert.equal((await keyRing.requestKeys(honest, ['ed25519:1'], '198.51.100.1')).size, 1)
    letGo()
    await requests.all
    assert.equal(mostUnderWay, 11)
  })

  it('of many addresses hold a bounded number of connections', async () => {
    const all = Array.from({ length: 100 }, (_, n) => flood(10, `192.0.2.${n}`))
    await settled()
    assert.equal(underWay, 50)
    letGo()
    await Promise.all(all.map((one) => one.all))
    assert.equal(mostUnderWay, 50)
    assert.equal(
      all.reduce((sum, one) => sum + one.refused(), 0),
      1_000 - 50 - 500,
    )
  })

  it('leave servers whose keys are known their own slots', async () => {
    const known = 'known.example' as ServerName
    await keyRing.requestKeys(known, ['ed25519:1'], '198.51.100.1')
    const all = Array.from({ length: 20 }, (_, n) => flood(30, `192.0.2.${n}`))
    await settled()
    assert.equal(underWay, 50)
    // A key that isn't known: it is asked anew.
    assert.equal((await keyRing.requestKeys(known, ['ed25519:2'], '198.51.100.1')).size, 1)
    letGo()
    await Promise.all(all.map((one) => one.all))
  })

  it('for one name make one question', async () => {
    const name = stranger()
    const all = Array.from({ length: 100 }, () => keyRing.requestKeys(name, ['ed25519:1'], '192.0.2.1'))
    await settled()
    assert.equal(underWay, 1)
    letGo()
    await Promise.all(all)
  })
})

describe('questions about strangers’ keys', () => {
  it('hold as few connections, and are answered with what is known', async () => {
    const questions = Array.from({ length: 30 }, () =>
      notary.query(new Map(Array.from({ length: 20 }, () => [stranger(), null])), '192.0.2.1'),
    )
    await settled()
    assert.equal(underWay, 10)
    letGo()
    for (const answer of await Promise.all(questions)) assert.deepEqual(answer, [])
    assert.equal(mostUnderWay, 10)
  })
})

describe('events with invented senders', () => {
  it('hold a bounded number of connections over all batches', async () => {
    const batches = Array.from({ length: 20 }, (_, batch) =>
      keyRing.gather(
        Array.from({ length: 50 }, () => ({ server: stranger(), keyIds: ['ed25519:1'], atTs: NOW })),
        { suppliers: [`supplier${batch % 5}.example` as ServerName] },
      ),
    )
    await settled()
    assert.equal(underWay, 100)
    letGo()
    await Promise.all(batches)
    assert.ok(mostUnderWay <= 100 + 5, `${mostUnderWay}`)
  })
})
