/** Keys of other servers: which are believed, for what, and how often anybody is asked. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { encodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed, signJson, verifyJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { type FederationLink, federationLink } from '#services/federation/federation-link.ts'
import type { WireReply, WireRequest } from '#services/federation/transport/transport.ts'
import type { Timers } from '#services/time/timers.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import { QUIET_LOG } from '#test/store/harness.ts'

const [US, A, B, N] = ['us.example', 'a.example', 'b.example', 'notary.example'] as [
  ServerName,
  ServerName,
  ServerName,
  ServerName,
]
const DAY = 24 * 3_600_000
const NOW = 1_700_000_000_000
const RETRY = { baseMs: 60_000, maxMs: 3_600_000 }

const seed = (byte: number) => new Uint8Array(32).fill(byte)
const signerOf = (name: string, byte: number, version = '1') => signerFromSeed(name, version, seed(byte))
const keyOf = (signer: Signer) => ({ key: encodeBase64(signer.publicKey) })

/** What a server says of its keys. */
function keysOf(signer: Signer, fields: JsonObject = {}): JsonObject {
  const keys = {
    server_name: signer.name,
    verify_keys: { [signer.keyId]: keyOf(signer) },
    old_verify_keys: {},
    valid_until_ts: NOW + DAY,
  }
  return signJson({ ...keys, ...fields }, signer)
}

const ok = (json: object): WireReply => ({
  outcome: 'answered',
  status: 200,
  retryAfterMs: null,
  body: Buffer.from(JSON.stringify(json)),
})
const DOWN: WireReply = { outcome: 'unreachable', reason: 'down' }

let folder: string
let store: Store
let now: number
let warned: object[]
/** Servers and what they answer; those that aren't here are down. */
let internet: Map<string, (request: WireRequest) => WireReply | Promise<WireReply>>
let asked: string[]
let links: FederationLink[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-keys-'))
  store = await openStore({ serverName: US, database: 'sqlite', dataDir: folder, clock: () => now, log: QUIET_LOG })
  now = NOW
  warned = []
  asked = []
  links = []
  internet = new Map()
})
afterEach(async () => {
  for (const link of links) await link.close()
  await store[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function makeLink(trustedKeyServers: readonly ServerName[] = [], timers: Timers = { after: () => () => {} }) {
  const link = await federationLink({
    store,
    signer: signerOf(US, 1),
    clock: () => now,
    timers,
    randomBytes: (n) => new Uint8Array(n).fill(128),
    log: { ...QUIET_LOG, warn: (details) => warned.push(details) },
    onError: (error) => assert.fail(error as Error),
    settings: {
      serverOverrides: {},
      ca: null,
      allowIpRanges: [],
      retry: RETRY,
      trustedKeyServers,
      oldKeys: [{ keyId: 'ed25519:old', publicKey: signerOf(US, 9).publicKey, expiredTs: NOW - DAY }],
      software: { name: 'Hearth', version: '0' },
    },
    transport: {
      async exchange(request) {
        asked.push(`${request.destination} ${request.uri}`)
        assert.ok(request.authorization === null || request.uri.startsWith('/_matrix/key/v2/query'))
        return (await internet.get(request.destination)?.(request)) ?? DOWN
      },
    },
  })
  links.push(link)
  return link
}

const has = async (
  link: FederationLink,
  server: ServerName,
  atTs: number | null,
  keyId = 'ed25519:1',
  suppliers: ServerName[] = [],
) => {
  const keys = await link.keyRing.gather([{ server, keyIds: [keyId], atTs }], { suppliers })
  return keys.eventKeys(server, atTs)(keyId) !== undefined
}

describe('S7: a key is believed for an event', () => {
  const times: [what: string, fields: JsonObject, atTs: number, believed: boolean][] = [
    ['up to valid_until_ts', {}, NOW + DAY, true],
    ['not later', {}, NOW + DAY + 1, false],
    ['long ago', {}, 0, true],
    ['up to seven days after it was fetched', { valid_until_ts: NOW + 99 * DAY }, NOW + 7 * DAY, true],
    ['not later, whatever it says', { valid_until_ts: NOW + 99 * DAY }, NOW + 7 * DAY + 1, false],
    ['not now, if it expired', { valid_until_ts: NOW - 1 }, NOW, false],
    ['before it expired', { valid_until_ts: NOW - 1 }, NOW - 1, true],
  ]
  for (const [what, fields, atTs, believed] of times) {
    it(what, async () => {
      internet.set(A, () => ok(keysOf(signerOf(A, 2), fields)))
      assert.equal(await has(await makeLink(), A, atTs), believed)
    })
  }

  it('of its time if it is an old one, and for no request', async () => {
    const old_verify_keys = { 'ed25519:0': { ...keyOf(signerOf(A, 3)), expired_ts: NOW - DAY } }
    internet.set(A, () => ok(keysOf(signerOf(A, 2), { old_verify_keys })))
    const link = await makeLink()
    assert.equal(await has(link, A, NOW - DAY, 'ed25519:0'), true)
    assert.equal(await has(link, A, NOW - DAY + 1, 'ed25519:0'), false)
    assert.deepEqual([...(await link.keyRing.requestKeys(A, ['ed25519:0'])).keys()], ['ed25519:1'])
  })

  it('of any time in room versions 1 to 4', async () => {
    const old_verify_keys = { 'ed25519:0': { ...keyOf(signerOf(A, 3)), expired_ts: 5 } }
    internet.set(A, () => ok(keysOf(signerOf(A, 2), { old_verify_keys, valid_until_ts: NOW - 1 })))
    const link = await makeLink()
    assert.equal(await has(link, A, null), true)
    assert.equal(await has(link, A, null, 'ed25519:0'), true)
  })

  it('and for a request as long as it is valid now', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2), { valid_until_ts: NOW + DAY })))
    const link = await makeLink()
    assert.equal((await link.keyRing.requestKeys(A, ['ed25519:1'])).size, 1)
    internet.delete(A)
    now += DAY
    assert.equal((await link.keyRing.requestKeys(A, ['ed25519:1'])).size, 1)
    now += 1
    assert.equal((await link.keyRing.requestKeys(A, ['ed25519:1'])).size, 0)
  })
})

const nested = (depth: number): JsonValue => (depth === 0 ? 1 : [nested(depth - 1)])

describe('W11: what a server says of its keys is believed', () => {
  const signer = signerOf(A, 2)
  const { signatures: _signatures, ...unsigned } = keysOf(signer)
  const withKeys = (verify_keys: JsonObject) => signJson({ ...unsigned, verify_keys }, signer)
  const refused: [what: string, answer: JsonObject][] = [
    ['it isn’t signed', unsigned],
    ['it is signed by another key', signJson(unsigned, signerOf(A, 5))],
    ['it is signed by another server', signJson(unsigned, signerOf(B, 2))],
    ['it was changed', { ...keysOf(signer), valid_until_ts: NOW + 2 * DAY }],
    ['it is about another server', keysOf(signerOf(B, 2))],
    ['it names no end', signJson({ ...unsigned, valid_until_ts: '5' }, signer)],
    ['its end is no integer', signJson({ ...unsigned, valid_until_ts: JSON.rawJSON('1.0') }, signer)],
    ['a key is too short', withKeys({ 'ed25519:1': keyOf(signer), 'ed25519:2': { key: 'AAAA' } })],
    ['a key is no strict base64', withKeys({ 'ed25519:1': { key: `${keyOf(signer).key.slice(0, 42)}!` } })],
    ['it has no keys', signJson({ ...unsigned, verify_keys: [] as never }, signer)],
    ['an old key has no end', signJson({ ...unsigned, old_verify_keys: { 'ed25519:0': keyOf(signer) } }, signer)],
    [
      'it is signed by an old key alone',
      signJson(
        { ...unsigned, verify_keys: {}, old_verify_keys: { 'ed25519:1': { ...keyOf(signer), expired_ts: NOW } } },
        signer,
      ),
    ],
    ['it nests too deep', signJson({ ...unsigned, deep: nested(101) }, signer)],
    [
      'it has 101 keys',
      withKeys(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`ed25519:${i}`, keyOf(signer)]))),
    ],
  ]
  for (const [what, answer] of refused) {
    it(`not if ${what}`, async () => {
      internet.set(A, () => ok(answer))
      assert.equal(await has(await makeLink(), A, NOW), false)
      assert.deepEqual(await store.read((tx) => tx.serverKeys.documents(A)), [])
    })
  }

  it('with other algorithms left out', async () => {
    internet.set(A, () =>
      ok(withKeys({ 'ed25519:1': keyOf(signer), 'rsa:1': { key: 'x' }, 'ed25519:\0': keyOf(signer) })),
    )
    const link = await makeLink()
    assert.equal(await has(link, A, NOW), true)
    assert.equal(await has(link, A, NOW, 'rsa:1'), false)
  })

  it('but an id never comes to stand for another key', async () => {
    internet.set(A, () => ok(keysOf(signer)))
    const link = await makeLink()
    assert.equal(await has(link, A, NOW), true)
    internet.set(A, () => ok(keysOf(signerOf(A, 7), { valid_until_ts: NOW + 3 * DAY })))
    now += 2 * DAY
    assert.equal(await has(link, A, now), false)
    const stored = (await store.read((tx) => tx.serverKeys.keysOf([A]))).get(A)
    assert.deepEqual(
      stored?.map(({ key }) => key),
      [signer.publicKey],
    )
    assert.deepEqual(warned, [{ server: A, keyIds: ['ed25519:1'] }])
  })
})

describe('servers are asked for keys', () => {
  it('once for many that wait, and not again for what is known, also after a restart', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    const link = await makeLink()
    const waiting = Array.from({ length: 20 }, (_, i) =>
      i % 2 === 0 ? has(link, A, NOW) : link.keyRing.requestKeys(A, ['ed25519:1']),
    )
    assert.ok(
      (await Promise.all(waiting)).every(
        (found) => found === true || (found as ReadonlyMap<string, unknown>).size === 1,
      ),
    )
    assert.equal(await has(await makeLink(), A, NOW), true)
    assert.deepEqual(asked, ['a.example /_matrix/key/v2/server'])
  })

  it('at growing intervals for keys that don’t exist; for requests at the shortest', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    const link = await makeLink()
    const count = async (events: boolean) => {
      const before = asked.length
      if (events) assert.equal(await has(link, A, NOW, 'ed25519:none'), false)
      else assert.equal((await link.keyRing.requestKeys(A, ['ed25519:none'])).has('ed25519:none'), false)
      return asked.length - before
    }
    assert.deepEqual([await count(true), await count(true), await count(false)], [1, 0, 0])
    now += RETRY.baseMs
    assert.deepEqual([await count(true), await count(true)], [1, 0])
    now += RETRY.baseMs
    assert.deepEqual([await count(true), await count(false), await count(false)], [0, 1, 0])
    // A key that is there is found whatever was asked for before.
    assert.equal(await has(link, A, NOW), true)
  })

  it('never for events too far in the future, or for our own keys', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    const link = await makeLink()
    assert.equal(await has(link, A, NOW + 8 * DAY), false)
    assert.equal(await has(link, US, NOW), true)
    assert.equal(await has(link, US, NOW - DAY, 'ed25519:old'), true)
    assert.equal(await has(link, US, NOW, 'ed25519:old'), false)
    assert.deepEqual(asked, [])
  })

  it('although requests to them failed, when they speak to us', async () => {
    const link = await makeLink()
    assert.equal(await has(link, A, NOW), false)
    assert.notEqual(link.backOff.pausedUntil(A), null)
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    now += RETRY.baseMs - 1
    assert.equal((await link.keyRing.requestKeys(A, ['ed25519:1'])).size, 0)
    now += 1
    assert.equal((await link.keyRing.requestKeys(A, ['ed25519:1'])).size, 1)
    assert.equal(link.backOff.pausedUntil(A), null)
  })

  it('without a slow one holding up a batch, and what it says later still counts', async () => {
    const { promise, resolve } = Promise.withResolvers<WireReply>()
    internet.set(A, () => promise)
    internet.set(B, () => ok(keysOf(signerOf(B, 3))))
    const timeUp: (() => void)[] = []
    const link = await makeLink([], {
      after(ms, fn) {
        assert.equal(ms, 5_000)
        timeUp.push(fn)
        return () => {}
      },
    })
    const wants = [A, B].map((server) => ({ server, keyIds: ['ed25519:1'], atTs: NOW }))
    const gathering = link.keyRing.gather(wants)
    while (asked.length < 2 || timeUp.length < 1) await new Promise(setImmediate)
    await link.keyRing.gather([wants[1]!])
    for (const end of timeUp) end()
    const keys = await gathering
    assert.equal(keys.eventKeys(A, NOW)('ed25519:1'), undefined)
    assert.notEqual(keys.eventKeys(B, NOW)('ed25519:1'), undefined)
    resolve(ok(keysOf(signerOf(A, 2))))
    await link.keyRing.idle()
    assert.equal(await has(link, A, NOW), true)
  })
})

describe('a notary', () => {
  const notary = signerOf(N, 6)
  /** Answers with `answers`, signed by `signers`. */
  const notaryServer =
    (answers: readonly JsonObject[], signers: readonly Signer[] = [notary]) =>
    (request: WireRequest) => {
      if (request.uri === '/_matrix/key/v2/server') return ok(keysOf(notary, { valid_until_ts: now + DAY }))
      return ok({
        server_keys: answers.map((answer) => signers.reduce((json, signer) => signJson(json, signer), answer)),
      })
    }

  it('is asked, where it is trusted, for keys that a server doesn’t give', async () => {
    let body: unknown
    internet.set(N, (request) => {
      body = JSON.parse(request.body ?? 'null')
      return notaryServer([keysOf(signerOf(A, 2))])(request)
    })
    assert.equal(await has(await makeLink([N]), A, NOW), true)
    assert.deepEqual(body, { server_keys: { [A]: { 'ed25519:1': { minimum_valid_until_ts: NOW } } } })
    assert.deepEqual(
      asked,
      ['a.example', 'notary.example', 'notary.example'].map(
        (name, i) => `${name} /_matrix/key/v2/${i === 2 ? 'query' : 'server'}`,
      ),
    )
    assert.equal((await store.read((tx) => tx.serverKeys.keysOf([A]))).get(A)?.length, 1)
  })

  const unproved: [what: string, answer: JsonObject, signers: readonly Signer[]][] = [
    ['its own signature', keysOf(signerOf(A, 2)), []],
    ['its own signature by a key that it has', keysOf(signerOf(A, 2)), [signerOf(N, 8)]],
    ['the server’s signature', { ...keysOf(signerOf(A, 2)), signatures: {} }, [notary]],
    ['having been asked about that server', keysOf(signerOf(B, 2)), [notary]],
  ]
  for (const [what, answer, signers] of unproved) {
    it(`is not believed without ${what}`, async () => {
      internet.set(N, notaryServer([answer], signers))
      const link = await makeLink([N])
      assert.equal(await has(link, A, NOW), false)
      assert.deepEqual(await store.read((tx) => tx.serverKeys.keysOf([A, B])), new Map())
      // And not asked again at once.
      const count = asked.length
      assert.equal(await has(link, A, NOW), false)
      assert.equal(asked.length, count)
    })
  }

  it('is not believed about itself, nor asked where the server itself answers', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    internet.set(N, notaryServer([keysOf(signerOf(A, 7))]))
    const link = await makeLink([N])
    assert.equal(await has(link, A, NOW), true)
    assert.equal(await has(link, N, NOW, 'ed25519:none'), false)
    assert.ok(!asked.some((uri) => uri.includes('query')))
  })

  it('can’t take back with an older answer what a server said later', async () => {
    const old_verify_keys = { 'ed25519:0': { ...keyOf(signerOf(A, 3)), expired_ts: NOW - DAY } }
    internet.set(A, () => ok(keysOf(signerOf(A, 2), { old_verify_keys })))
    const link = await makeLink([N])
    assert.equal(await has(link, A, NOW), true)
    const before = keysOf(signerOf(A, 3, '0'), { valid_until_ts: NOW })
    internet.set(N, notaryServer([before]))
    assert.equal(await has(link, A, NOW, 'ed25519:0'), false)
    assert.ok(asked.some((uri) => uri.includes('query')))
    assert.equal(await has(link, A, NOW - DAY, 'ed25519:0'), true)
  })

  it('that only supplied the events counts for those alone', async () => {
    internet.set(N, notaryServer([keysOf(signerOf(A, 2))]))
    const link = await makeLink()
    assert.equal(await has(link, A, NOW), false)
    now += RETRY.maxMs
    assert.equal(await has(link, A, NOW, 'ed25519:1', [N]), true)
    assert.deepEqual((await store.read((tx) => tx.serverKeys.keysOf([A]))).size, 0)
    assert.equal((await link.keyRing.requestKeys(A, ['ed25519:1'])).size, 0)
    assert.equal(await has(link, A, NOW), false)
  })

  it('that only supplied the events can’t replace a key, but tell that it was in use for longer', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    const link = await makeLink()
    assert.equal(await has(link, A, NOW), true)
    internet.delete(A)
    now += 3 * DAY
    internet.set(N, notaryServer([keysOf(signerOf(A, 7), { valid_until_ts: NOW + 2 * DAY })]))
    assert.equal(await has(link, A, NOW + 2 * DAY, 'ed25519:1', [N]), false)
    now += DAY
    internet.set(N, notaryServer([keysOf(signerOf(A, 2), { valid_until_ts: NOW + 2 * DAY })]))
    assert.equal(await has(link, A, NOW + 2 * DAY, 'ed25519:1', [N]), true)
  })

  it('is asked about a hundred servers at a time', async () => {
    const sizes: number[] = []
    internet.set(N, (request) => {
      if (request.body !== null) sizes.push(Object.keys(JSON.parse(request.body).server_keys).length)
      return notaryServer([])(request)
    })
    const link = await makeLink([N])
    const wants = Array.from({ length: 150 }, (_, i) => ({
      server: `s${i}.example` as ServerName,
      keyIds: ['ed25519:1'],
      atTs: NOW,
    }))
    await link.keyRing.gather(wants)
    assert.deepEqual(sizes, [100, 50])
  })
})

describe('we as a notary', () => {
  const query = async (link: FederationLink, ...servers: ServerName[]) => {
    const answers = await link.notary.query(new Map(servers.map((server) => [server, null])))
    return new Map(answers.map((answer) => [member(answer, 'server_name') as string, answer]))
  }
  const isSignedBy = (json: JsonObject | undefined, signer: Signer) =>
    isJsonObject(json) &&
    verifyJson(json, signer.name, (id) => (id === signer.keyId ? signer.publicKey : undefined)) === 'valid'

  it('sign what servers say of themselves, and leave out those that never answered', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    const link = await makeLink()
    const answers = await query(link, A, B, US)
    assert.deepEqual([...answers.keys()].sort(), [A, US])
    for (const name of [A, US]) assert.ok(isSignedBy(answers.get(name), signerOf(US, 1)), name)
    assert.ok(isSignedBy(answers.get(A), signerOf(A, 2)))
  })

  it('ask again after half of an answer’s lifetime, or where it doesn’t last long enough', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    const link = await makeLink()
    await query(link, A)
    now += DAY / 2
    await query(link, A)
    assert.equal(asked.length, 1)
    now += 1
    await query(link, A)
    assert.equal(asked.length, 2)
    now += RETRY.baseMs
    await link.notary.query(new Map([[A, NOW + DAY]]))
    assert.equal(asked.length, 2)
    now += RETRY.baseMs
    await link.notary.query(new Map([[A, NOW + DAY + 1]]))
    assert.equal(asked.length, 3)
  })

  it('go on saying what a server said when it is gone, and don’t let others make us call it', async () => {
    internet.set(A, () => ok(keysOf(signerOf(A, 2))))
    const link = await makeLink()
    await query(link, A)
    internet.delete(A)
    now += 30 * DAY
    assert.ok((await query(link, A)).has(A))
    const count = asked.length
    for (let i = 0; i < 5; i += 1) await query(link, A)
    assert.equal(asked.length, count)
  })

  it('ask twenty servers anew for one request', async () => {
    const link = await makeLink()
    await query(link, ...Array.from({ length: 100 }, (_, i) => `s${i}.example` as ServerName))
    assert.equal(asked.length, 20)
  })
})

describe('our own keys', () => {
  it('are published with old ones, signed, for a week, and renewed in time', async () => {
    const link = await makeLink()
    const first = link.ownKeys.document()
    assert.ok(verifyJson(first, US, () => signerOf(US, 1).publicKey) === 'valid')
    assert.deepEqual(
      { ...first, signatures: null },
      {
        server_name: US,
        verify_keys: { 'ed25519:1': keyOf(signerOf(US, 1)) },
        old_verify_keys: { 'ed25519:old': { ...keyOf(signerOf(US, 9)), expired_ts: NOW - DAY } },
        valid_until_ts: NOW + 7 * DAY,
        signatures: null,
      },
    )
    now += 3_599_999
    assert.equal(link.ownKeys.document(), first)
    now += 1
    assert.equal(member(link.ownKeys.document(), 'valid_until_ts'), now + 7 * DAY)
  })
})
