/**
 * T5: servers that answer slowly, wrongly, endlessly or not at all cost those that answer nothing, and this one neither
 * connections nor memory.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { serveRoom } from '#test/federation/harness/security-scene.ts'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { TlsHearth } from '#test/federation/harness/tls-hearth.ts'
import { HostileServer } from '#test/federation/hostile-server.ts'
import { V3 } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { until } from '#test/system/harness/until.ts'

const GOOD_COUNT = 100
const MESSAGES_BEFORE = 10
const MESSAGES_DURING = 60
const PAUSE_MS = 250
const P99_MS_MAX = 1_000
/** What each request may take, and some time to notice. */
const REQUEST_MS_MAX = 62_000
/** As many as the pool of one server holds, and those that are being closed. */
const SOCKETS_MAX = 8
const GROWTH_BYTES_MAX = 50 * 1024 * 1024
const SEND = '/v1/send/'

const BOMB = gzipSync(Buffer.alloc(200 * 1024 * 1024))
const json = (response: ServerResponse, status = 200, headers: Record<string, string> = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers })

/** What is wrong with a server's answers. */
const EVIL: Readonly<Record<string, (response: ServerResponse) => void>> = {
  mute: () => {},
  drip(response) {
    json(response).write('{"pdus":{')
    const timer = setInterval(() => response.write(' '), 1_000)
    response.once('close', () => clearInterval(timer))
  },
  reset(response) {
    json(response, 200, { 'content-length': '1000' }).write('{"pdus"', () => (response.socket as Socket).destroy())
  },
  endless(response) {
    const chunk = Buffer.alloc(65_536, 0x20)
    const go = () => {
      while (!response.destroyed && response.write(chunk));
    }
    json(response).on('drain', go)
    go()
  },
  wrong: (response) => json(response).end('{"pdus":[NaN}'),
  bomb: (response) => json(response, 200, { 'content-encoding': 'gzip' }).end(BOMB),
  elsewhere: (response) => json(response, 302, { location: '/_matrix/federation/v1/send/again' }).end(),
  busy: (response) =>
    json(response, 429, { 'retry-after': '1' }).end('{"errcode":"M_LIMIT_EXCEEDED","error":"","retry_after_ms":1000}'),
  broken: (response) => json(response, 503, { 'retry-after': '1' }).end('<html>'),
  'many headers': (response) => json(response, 200, { x: 'x'.repeat(60_000) }).end('{}'),
}
/** Evil before there is a request. */
const BELOW = ['untrusted', 'silent'] as const

/** What a server sees of the connections to it. */
class Watch {
  open = 0
  most = 0
  longestMs = 0

  constructor({ https }: HostileServer) {
    https.on('request', (_request, response) => {
      const begun = performance.now()
      response.once('close', () => {
        this.longestMs = Math.max(this.longestMs, performance.now() - begun)
      })
    })
    https.on('connection', (socket: Socket) => {
      this.open += 1
      this.most = Math.max(this.most, this.open)
      socket.once('close', () => {
        this.open -= 1
      })
    })
  }
}

function usedMemory(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

it('T5: bad servers cost the good ones nothing', { timeout: 180_000 }, async (test) => {
  await using opened = new AsyncDisposableStack()
  const ca = opened.use(new TestCa())
  const goodNames = Array.from({ length: GOOD_COUNT }, (_, index) => `good${index}.example`)
  const evilNames = [...Object.keys(EVIL), ...BELOW].map((kind) => `${kind.replace(' ', '-')}.example`)
  const names = [...goodNames, ...evilNames]
  const files = ca.issue(...names)
  const servers = new Map<string, HostileServer>()
  for (const name of names) servers.set(name, opened.use(await HostileServer.start(name, ca, files)))
  const others = Object.fromEntries([...servers].map(([name, server]) => [name, server.federationAddress]))
  const federationPort = await freePort()
  const hearth = opened.use(await TlsHearth.start({ serverName: 'hearth.example', ca, federationPort, others }))
  const alice = await hearth.user('alice')

  const got = new Map<string, Map<string, number>>()
  for (const [name, server] of servers) {
    const at = new Map<string, number>()
    got.set(name, at)
    server.on('PUT', SEND, ({ body }) => {
      for (const pdu of body.pdus) if (pdu.content.body !== undefined) at.set(pdu.content.body, performance.now())
      return { status: 200, body: { pdus: {} } }
    })
  }
  const host = servers.get('good0.example') as HostileServer
  const remote = new RemoteRoom('11', host.user('host'), host.signer)
  for (const server of servers.values())
    remote.member(server.user('member'), 'join', server.user('member'), server.signer)
  serveRoom(host, remote)
  const joined = await alice.request('POST', `${V3}/join/${encodeURIComponent(remote.roomId)}?via=${host.serverName}`)
  assert.equal(joined.status, 200, JSON.stringify(joined.body))

  const defects: string[] = []
  /** Bytes in use, without what the test itself keeps. */
  const memory = (): number => {
    defects.push(...hearth.logged.splice(0).filter((line) => /"level":[56]0/.test(line)))
    for (const server of servers.values()) server.asked.length = 0
    return usedMemory()
  }

  /** Sends messages; how long each took to each good server, sorted. */
  const measure = async (what: string, count: number): Promise<number[]> => {
    const sent = new Map<string, number>()
    for (let index = 0; index < count; index += 1) {
      sent.set(`${what} ${index}`, performance.now())
      await alice.send(remote.roomId, `${what} ${index}`)
      await sleep(PAUSE_MS)
    }
    const arrived = (name: string) => [...sent.keys()].every((text) => got.get(name)?.has(text))
    await until(`all good servers to have ${what}`, () => goodNames.every(arrived), 60_000)
    const delays = goodNames.flatMap((name) => [...sent].map(([text, at]) => (got.get(name)?.get(text) ?? 0) - at))
    return delays.toSorted((a, b) => a - b)
  }
  const p99 = (delays: readonly number[]) => Math.round(delays[Math.floor(delays.length * 0.99)] ?? 0)

  await measure('first', 3)
  const before = p99(await measure('before', MESSAGES_BEFORE))
  const memoryBefore = memory()

  const watches = evilNames.map((name) => new Watch(servers.get(name) as HostileServer))
  for (const [kind, answer] of Object.entries(EVIL)) {
    const server = servers.get(`${kind.replace(' ', '-')}.example`) as HostileServer
    server.misbehaves = (request, response) => {
      request.resume()
      response.on('error', () => {})
      answer(response)
    }
    server.https.closeAllConnections()
  }
  using stranger = new TestCa()
  const untrusted = servers.get('untrusted.example') as HostileServer
  const { certFile, keyFile } = stranger.issue('untrusted.example')
  untrusted.https.setSecureContext({ cert: readFileSync(certFile), key: readFileSync(keyFile) })
  untrusted.https.closeAllConnections()
  const silent = servers.get('silent.example') as HostileServer
  const handshakes = silent.https.listeners('connection') as ((socket: Socket) => void)[]
  silent.https.removeAllListeners('connection')
  const heldSockets: Socket[] = []
  silent.https.on('connection', (socket: Socket) => heldSockets.push(socket.on('error', () => {})))
  silent.https.closeAllConnections()

  const begun = performance.now()
  const during = p99(await measure('during', MESSAGES_DURING))
  const growth = memory() - memoryBefore
  // Until the longest request has been given up.
  await until('the mute server to be given up', () => (watches[0]?.longestMs ?? 0) > 0, REQUEST_MS_MAX + 5_000)
  const longest = Math.max(...watches.map(({ longestMs }) => longestMs))
  const sockets = Math.max(...watches.map(({ most }) => most), heldSockets.filter(({ destroyed }) => !destroyed).length)
  test.diagnostic(
    `p99 ${before} ms before, ${during} ms during; longest request ${Math.round(longest)} ms; at most ${sockets} ` +
      `connections to one server; memory ${Math.round(growth / 1_048_576)} MiB more; ${Math.round(performance.now() - begun)} ms`,
  )
  assert.ok(during <= Math.max(P99_MS_MAX, 2 * before), `p99 ${during} ms, ${before} ms without bad servers`)
  assert.ok(longest <= REQUEST_MS_MAX, `a request took ${longest} ms`)
  assert.ok(sockets <= SOCKETS_MAX, `${sockets} connections to one server`)
  assert.ok(growth <= GROWTH_BYTES_MAX, `${growth} bytes more`)

  // Once they answer, they get what they missed, the newest at least.
  for (const name of evilNames) (servers.get(name) as HostileServer).misbehaves = null
  untrusted.https.setSecureContext({ cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) })
  silent.https.removeAllListeners('connection')
  for (const handshake of handshakes) silent.https.on('connection', handshake)
  for (const socket of heldSockets) socket.destroy()
  for (const name of evilNames) (servers.get(name) as HostileServer).https.closeAllConnections()
  await alice.send(remote.roomId, 'healed')
  const lack = () => evilNames.filter((name) => !got.get(name)?.has('healed'))
  await until('the bad servers to have the newest message', () => lack().length === 0, 30_000).catch((error: Error) => {
    throw new Error(`${error.message}: ${lack()}`)
  })
  memory()
  assert.deepEqual(defects, [])
})
