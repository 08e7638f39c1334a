/** T5: names whose name servers answer late or never cost other servers, and this one's own users, nothing. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerName } from '#core/ids.ts'
import { DnsServer } from '#test/federation/harness/dns-server.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { serveRoom } from '#test/federation/harness/security-scene.ts'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { TlsHearth } from '#test/federation/harness/tls-hearth.ts'
import { HostileServer } from '#test/federation/hostile-server.ts'
import { V3 } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { until } from '#test/system/harness/until.ts'

const GOOD_COUNT = 20
const NEVER_COUNT = 40
const BEFORE_MS = 3_000
/** Less than what it takes to give a name up. */
const DURING_MS = 12_000
const PAUSE_MS = 150
const P99_MS_MAX = 1_000
/** What each request may take, and some time to notice. */
const REQUEST_MS_MAX = 62_000
const LATE_MS = 1_500
/** So long that nothing is tried again meanwhile. */
const RETRY_MS = 300_000
/** Both families for the well-known file and for the server, two SRV records, each question asked twice. */
const QUESTIONS_MAX = 12
/** Longer than anything that discovery finds is kept. */
const CACHED_MS = 7_200_000
const NEVER = Number.POSITIVE_INFINITY
const SEND = '/v1/send/'

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}${index}.example`)
const p99 = (times: readonly number[]) =>
  Math.round(times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0)

it('T5: names that DNS does not answer for cost the others nothing', { timeout: 240_000 }, async (test) => {
  await using opened = new AsyncDisposableStack()
  const ca = opened.use(new TestCa())
  const dns = opened.use(await DnsServer.start())
  const goodNames = numbered('good', GOOD_COUNT)
  const lateNames = numbered('late', 3)
  const neverNames = numbered('never', NEVER_COUNT)
  const servers = new Map<string, HostileServer>()
  const names = [...goodNames, ...lateNames, ...neverNames]
  const files = ca.issue(...names)
  for (const name of names) servers.set(name, opened.use(await HostileServer.start(name, ca, files)))
  const serverOf = (name: string) => servers.get(name) as HostileServer

  /** Makes a name known, with all that discovery asks about it. */
  const publish = (name: string, delayMs = 0) => {
    const port = Number(serverOf(name).federationAddress.split(':')[1])
    dns.names.set(name, { a: ['127.0.0.1'], delayMs })
    dns.names.set(`_matrix-fed._tcp.${name}`, { srv: { port, target: name }, delayMs })
  }
  for (const name of names) publish(name)
  const hang = (name: string) => {
    for (const below of ['', '_matrix-fed._tcp.', '_matrix._tcp.']) dns.names.set(below + name, { delayMs: NEVER })
  }

  const hearth = opened.use(
    await TlsHearth.start({
      serverName: 'hearth.example',
      ca,
      federationPort: await freePort(),
      others: {},
      nameServers: [dns.address],
      config: {
        federation: {
          ca_file: ca.caFile,
          allow_ip_ranges: ['127.0.0.0/8'],
          retry: { base_ms: RETRY_MS, max_ms: RETRY_MS },
        },
      },
    }),
  )
  const alice = await hearth.user('alice')

  /** Messages that came to each server, and when. */
  const got = new Map<string, Map<string, number>>()
  for (const [name, server] of servers) {
    const at = new Map<string, number>()
    got.set(name, at)
    server.on('PUT', SEND, ({ body }) => {
      for (const pdu of body.pdus) if (pdu.content.body !== undefined) at.set(pdu.content.body, performance.now())
      return { status: 200, body: { pdus: {} } }
    })
  }
  const host = serverOf('good0.example')
  const remote = new RemoteRoom('11', host.user('host'), host.signer)
  for (const server of servers.values()) {
    remote.member(server.user('member'), 'join', server.user('member'), server.signer)
  }
  serveRoom(host, remote)
  const joined = await alice.request('POST', `${V3}/join/${encodeURIComponent(remote.roomId)}?via=${host.serverName}`)
  assert.equal(joined.status, 200, JSON.stringify(joined.body))

  const isFailing = (name: string) => hearth.services.federation.backOff.failing(name as ServerName) !== null
  /** Sends messages, and asks this server for other things; how long each took to each server, and each answer. */
  const measure = async (what: string, forMs: number) => {
    const sent = new Map<string, number>()
    const answers: number[] = []
    const untilTs = performance.now() + forMs
    while (performance.now() < untilTs) {
      const text = `${what} ${sent.size}`
      sent.set(text, performance.now())
      await alice.send(remote.roomId, text)
      const begun = performance.now()
      assert.equal((await alice.request('GET', `${V3}/sync?timeout=0`)).status, 200)
      // A new account costs work on the threads that the system's resolver works on.
      if (sent.size % 4 === 0) await hearth.user(`${what}${sent.size}`)
      answers.push(performance.now() - begun)
      await sleep(PAUSE_MS)
    }
    const failing = neverNames.filter(isFailing)
    const arrived = (name: string) => [...sent.keys()].every((text) => got.get(name)?.has(text))
    await until(`all good servers to have ${what}`, () => goodNames.every(arrived))
    const delays = goodNames.flatMap((name) => [...sent].map(([text, at]) => (got.get(name)?.get(text) ?? 0) - at))
    return { delay: p99(delays), answer: p99(answers), failing, last: [...sent.keys()].at(-1) ?? '' }
  }

  await measure('first', 1)
  const before = await measure('before', BEFORE_MS)
  await until('all to have it', () => names.every((name) => got.get(name)?.has(before.last)))

  for (const name of [...neverNames, 'unknown.example']) hang(name)
  for (const name of lateNames) publish(name, LATE_MS)
  // Everybody is looked up anew.
  for (const server of servers.values()) server.https.closeAllConnections()
  hearth.advance(CACHED_MS)
  dns.asked.length = 0
  const begun = performance.now()
  const profile = () =>
    alice.request('GET', `${V3}/profile/${encodeURIComponent('@somebody:unknown.example')}`).then((reply) => {
      assert.ok(reply.status >= 500, `${reply.status}`)
      return Math.round(performance.now() - begun)
    })
  const asking = profile()
  const during = await measure('during', DURING_MS)
  assert.deepEqual(during.failing, [], 'the names were given up before the measure ended')
  for (const name of goodNames) assert.ok(dns.askedAbout(name) > 0, name)

  // Late answers are answers.
  const lateLack = () => lateNames.filter((name) => !got.get(name)?.has(during.last))
  await until('the late names', () => lateLack().length === 0, 30_000)
  assert.deepEqual(lateNames.filter(isFailing), [])

  // Bounded in time.
  const asked = await asking
  await until('all to be given up', () => neverNames.every(isFailing), REQUEST_MS_MAX)
  const longest = Math.max(asked, Math.round(performance.now() - begun))
  test.diagnostic(
    `p99 to good servers ${before.delay} ms before, ${during.delay} ms during; own answers ${before.answer} and ` +
      `${during.answer} ms; given up after ${longest} ms`,
  )
  assert.ok(during.delay <= Math.max(P99_MS_MAX, 2 * before.delay), `p99 ${during.delay} ms`)
  assert.ok(during.answer <= Math.max(P99_MS_MAX, 2 * before.answer), `own requests took ${during.answer} ms`)
  assert.ok(longest <= REQUEST_MS_MAX, `given up after ${longest} ms`)

  // Left alone from then on.
  const questions = new Map([...neverNames, 'unknown.example'].map((name) => [name, dns.askedAbout(name)]))
  for (const [name, count] of questions) assert.ok(count > 0 && count <= QUESTIONS_MAX, `${name}: ${count} questions`)
  const again = performance.now()
  await profile()
  assert.ok(performance.now() - again < P99_MS_MAX, 'a name that was given up is not asked for again at once')
  await measure('after', 1)
  for (const [name, count] of questions) assert.equal(dns.askedAbout(name), count, name)

  // Once there are answers, they get what they missed, the newest at least.
  for (const name of neverNames) publish(name)
  hearth.advance(2 * RETRY_MS)
  await alice.send(remote.roomId, 'healed')
  const lack = () => neverNames.filter((name) => !got.get(name)?.has('healed'))
  await until('the names to be found', () => lack().length === 0, 30_000)
  assert.deepEqual(
    hearth.logged.filter((line) => /"level":[56]0/.test(line)),
    [],
  )
})
