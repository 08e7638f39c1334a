import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { signerFromSeed, verifyText } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { parseXMatrix, requestText } from '#core/x-matrix.ts'
import { BackOff } from '#services/federation/transport/back-off.ts'
import {
  FederationClient,
  failureText,
  REQUESTS_PER_SERVER_MAX,
} from '#services/federation/transport/federation-client.ts'
import type { WireReply, WireRequest } from '#services/federation/transport/transport.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import { QUIET_LOG } from '#test/store/harness.ts'

const [A, B] = ['a.example', 'b.example'] as [ServerName, ServerName]
const RETRY = { baseMs: 1_000, maxMs: 10_000 }
const signer = signerFromSeed('us.example', '1', new Uint8Array(32).fill(3))
const answer = (status: number, body: string, retryAfterMs: number | null = null): WireReply => ({
  outcome: 'answered',
  status,
  retryAfterMs,
  body: Buffer.from(body),
})
const OK = answer(200, '{}')
const DOWN: WireReply = { outcome: 'unreachable', reason: 'down' }

let folder: string
let store: Store
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-client-'))
  store = await openStore({
    serverName: 'us.example' as ServerName,
    database: 'sqlite',
    dataDir: folder,
    clock: () => 0,
    log: QUIET_LOG,
  })
})
after(async () => {
  await store[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** A client whose network gives `replies` in turn, then OK. */
async function world(replies: WireReply[] = [], random = 1 / 3) {
  let now = 1_000_000
  const sent: WireRequest[] = []
  const onError = (error: unknown) => assert.fail(error as Error)
  const backOff = new BackOff({ store, retry: RETRY, clock: () => now, random: () => random, onError })
  await backOff.load()
  const transport = {
    async exchange(request: WireRequest) {
      sent.push(request)
      return replies.shift() ?? OK
    },
  }
  const client = new FederationClient({ transport, backOff, signer })
  const get = (destination: ServerName, more = {}) => client.request({ destination, method: 'GET', uri: '/x', ...more })
  return { client, backOff, sent, get, pass: (ms: number) => (now += ms), now: () => now }
}

describe('a request to another server', () => {
  it('is signed, body included, and its answer is read strictly', async () => {
    const { client, sent } = await world([answer(200, '{"big":1e400,"a":1}')])
    const body = { b: 1, a: [JSON.rawJSON('1.0')] }
    const reply = await client.request({ destination: A, method: 'PUT', uri: '/x?y', body })
    assert.equal(reply.outcome === 'answered' && JSON.stringify(reply.json), '{"big":1e400,"a":1}')
    assert.equal(sent[0]?.body, '{"a":[1.0],"b":1}')
    const header = parseXMatrix(sent[0]?.authorization ?? '')
    const text = requestText({
      method: 'PUT',
      uri: '/x?y',
      origin: 'us.example',
      destination: A,
      content: canonicalJson(body),
    })
    const signatures = { 'us.example': { 'ed25519:1': header?.signature ?? '' } }
    assert.equal(
      verifyText(text, signatures, 'us.example', () => signer.publicKey),
      'valid',
    )
    assert.equal(header?.destination, A)
  })

  it('is not signed where that is not asked for', async () => {
    const { get, sent } = await world()
    await get(A, { signed: false })
    assert.equal(sent[0]?.authorization, null)
  })

  it('may be refused, in words or without', async () => {
    const { get } = await world([
      answer(400, '{"errcode":"M_INCOMPATIBLE_ROOM_VERSION","error":"no","room_version":"9"}'),
      answer(404, '<html>'),
      answer(403, '["errcode"]'),
      answer(302, ''),
      answer(403, '{"errcode":5}'),
    ])
    const first = await get(A)
    assert.ok(first.outcome === 'refused')
    assert.deepEqual(
      [first.status, first.errcode, first.error, first.json?.['room_version']],
      [400, 'M_INCOMPATIBLE_ROOM_VERSION', 'no', '9'],
    )
    assert.equal(failureText(first), 'status 400, M_INCOMPATIBLE_ROOM_VERSION, no')
    for (const status of [404, 403, 302, 403]) {
      const reply = await get(A)
      assert.deepEqual(reply.outcome === 'refused' && [reply.status, reply.errcode], [status, null])
    }
  })

  it('may be answered with what is no JSON, or JSON that two could read differently', async () => {
    const bodies = ['', '{', '{"a":1,"a":2}', '{"a":"\\ud800"}', '\ufeff{}']
    const { get } = await world(bodies.map((body) => answer(200, body)))
    for (const body of bodies) assert.equal((await get(A)).outcome, 'malformed', body)
    const { get: getUnread } = await world([answer(200, '{"a"')])
    const unread = await getUnread(A, { unread: true })
    assert.ok(unread.outcome === 'answered')
    assert.deepEqual([unread.json, Buffer.from(unread.bytes).toString()], [null, '{"a"'])
  })

  it('waits for no more than a hundred others to the same server', async () => {
    const { promise, resolve } = Promise.withResolvers<WireReply>()
    const { backOff } = await world()
    const client = new FederationClient({ transport: { exchange: () => promise }, backOff, signer })
    const ask = (destination: ServerName) => client.request({ destination, method: 'GET', uri: '/x' })
    const waiting = Array.from({ length: REQUESTS_PER_SERVER_MAX }, () => ask(A))
    assert.equal((await ask(A)).outcome, 'busy')
    const other = ask(B)
    resolve(OK)
    assert.deepEqual(
      new Set((await Promise.all([...waiting, other])).map(({ outcome }) => outcome)),
      new Set(['answered']),
    )
    assert.equal((await ask(A)).outcome, 'answered')
  })
})

describe('the pause after failures', () => {
  it('doubles up to the longest, for every kind of request', async () => {
    const { get, client, sent, pass, now } = await world(Array<WireReply[]>(6).fill([DOWN, OK]).flat())
    for (const pause of [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
      assert.equal((await get(A)).outcome, 'unreachable')
      const count = sent.length
      pass(pause - 1)
      assert.deepEqual(await get(A), { outcome: 'backing off', untilTs: now() + 1 })
      assert.equal(
        (await client.request({ destination: A, method: 'PUT', uri: '/y', body: {} })).outcome,
        'backing off',
      )
      assert.equal(sent.length, count)
      assert.equal((await get(B)).outcome, 'answered')
      pass(1)
    }
    assert.equal((await get(A)).outcome, 'answered')
    assert.equal((await get(A)).outcome, 'answered')
    await client.backOff.idle()
  })

  for (const [random, ms] of [
    [0, 800],
    [1, 1_400],
  ] as const) {
    it(`varies by chance: ${ms} ms`, async () => {
      const { get, pass, backOff } = await world([DOWN], random)
      await get(A)
      pass(ms - 1)
      assert.equal((await get(A)).outcome, 'backing off')
      pass(1)
      assert.equal((await get(A)).outcome, 'answered')
      await backOff.idle()
    })
  }

  it('follows what shows that a server is down or overloaded, not what it refuses', async () => {
    const cases: [WireReply, boolean][] = [
      [DOWN, true],
      [{ outcome: 'timed out' }, true],
      [answer(500, ''), true],
      [answer(503, '{}'), true],
      [answer(429, '{}'), true],
      [{ outcome: 'aborted' }, false],
      [{ outcome: 'too large' }, false],
      [answer(401, '{}'), false],
      [answer(404, ''), false],
      [answer(200, 'no json'), false],
    ]
    for (const [reply, pauses] of cases) {
      const { get, backOff } = await world([reply])
      await get(A)
      assert.equal(backOff.pausedUntil(A) !== null, pauses, JSON.stringify(reply))
      backOff.reset(A)
      await backOff.idle()
    }
  })

  it('is as long as the server asks for, but no longer than the longest', async () => {
    for (const [asked, pause] of [
      [5_000, 5_000],
      [500, 1_000],
      [99_000, 10_000],
    ] as const) {
      const { get, backOff, now } = await world([answer(503, '', asked)])
      await get(A)
      assert.equal(backOff.pausedUntil(A), now() + pause)
      backOff.reset(A)
      await backOff.idle()
    }
  })

  it('counts failures at one time once', async () => {
    const { get, backOff, now } = await world(Array<WireReply>(20).fill(DOWN))
    await Promise.all(Array.from({ length: 20 }, () => get(A)))
    assert.equal(backOff.pausedUntil(A), now() + 1_000)
    backOff.reset(A)
    await backOff.idle()
  })

  it('survives a restart, and ends when the server shows up', async () => {
    const first = await world([DOWN, DOWN])
    await first.get(A)
    first.pass(1_000)
    await first.get(A)
    await first.backOff.idle()
    const second = await world()
    second.pass(1_000)
    assert.equal((await second.get(A)).outcome, 'backing off')
    assert.deepEqual(second.backOff.failing(A), {
      server: A,
      failingSinceTs: 1_000_000,
      failures: 2,
      nextTryTs: 1_003_000,
    })
    const shownUp: ServerName[] = []
    const stop = second.backOff.onReset((server) => shownUp.push(server))
    second.backOff.reset(A)
    second.backOff.reset(A)
    stop()
    assert.deepEqual(shownUp, [A])
    assert.equal((await second.get(A)).outcome, 'answered')
    await second.backOff.idle()
    assert.equal((await world()).backOff.failing(A), null)
  })

  it('may be passed over, and does not outlive a clock that is put back', async () => {
    const { get, pass, backOff } = await world([DOWN])
    await get(A)
    assert.equal((await get(A, { evenWhilePaused: true })).outcome, 'answered')
    assert.equal(backOff.failing(A), null)
    backOff.failed(A)
    pass(-10_000_000)
    assert.equal((await get(A)).outcome, 'answered')
    await backOff.idle()
  })
})
