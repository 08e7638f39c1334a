/** The real network, on loopback: a certificate authority, an evil server, names that a test resolver knows. */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { gzipSync } from 'node:zlib'
import type { ServerName } from '#core/ids.ts'
import { ServerDiscovery } from '#services/federation/discovery/server-discovery.ts'
import { addressPolicy } from '#services/federation/transport/address-policy.ts'
import { wellKnownFetcher } from '#services/federation/transport/fetch-well-known.ts'
import { HttpsTransport } from '#services/federation/transport/https-transport.ts'
import { PeerConnections } from '#services/federation/transport/peer-connections.ts'
import type { WireReply, WireRequest } from '#services/federation/transport/transport.ts'
import { trustedAuthorities } from '#services/federation/transport/trusted-authorities.ts'
import { type Authority, makeAuthority } from '#test/harness/certificates.ts'

let authority: Authority
let strangers: Authority
let server: Server
let port: number
let url: string
/** What the server saw. */
let seen: { host: string | undefined; sni: string | false; url: string; authorization: string | undefined }[] = []
/** What it does. */
let handler: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end('{}')
let transport: HttpsTransport
let connections: PeerConnections
const closers: (() => Promise<unknown> | unknown)[] = []

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'good.example': ['127.0.0.1'],
  'other.example': ['127.0.0.1'],
  'mixed.example': ['10.9.9.9', '127.0.0.1'],
  'private.example': ['10.9.9.9', '192.168.1.1'],
  'metadata.example': ['169.254.169.254'],
}

function makeTransport(allowed: readonly string[], ca: string | null): HttpsTransport {
  const context = trustedAuthorities(ca)
  connections = new PeerConnections({
    mayConnect: addressPolicy(allowed),
    async lookup(host) {
      const found = ADDRESSES[host]
      if (found === undefined) throw new Error(`ENOTFOUND ${host}`)
      return found.map((address) => ({ address, family: 4 }))
    },
    secureContext: () => context,
    connectTimeoutMs: 5_000,
  })
  closers.push(
    (
      (mine) => () =>
        mine.close()
    )(connections),
  )
  const discovery = new ServerDiscovery({
    fetchWellKnown: wellKnownFetcher({ connections, userAgent: 'test', port, timeoutMs: 30_000 }),
    resolveSrv: async () => [],
    overrides: { 'overridden.example': `127.0.0.1:${port}`, '1.2.3.4': `127.0.0.1:${port}` },
    retry: { baseMs: 1, maxMs: 1 },
    clock: () => 0,
    random: () => 0.5,
  })
  return new HttpsTransport({ discovery, connections, userAgent: 'Hearth test' })
}

before(async () => {
  authority = makeAuthority()
  strangers = makeAuthority()
  const names = ['good.example', 'mixed.example', 'overridden.example', '127.0.0.1', '1.2.3.4']
  const { cert, key } = authority.issue(names)
  server = createServer({ cert, key }, (request, response) => {
    const { host, authorization } = request.headers
    const sni = (request.socket as TLSSocket & { servername?: string | false }).servername ?? false
    seen.push({ host, sni, url: request.url ?? '', authorization })
    handler(request, response)
  })
  port = await listen(server)
  url = `good.example:${port}`
  transport = makeTransport(['127.0.0.0/8'], authority.ca)
})
after(async () => {
  for (const close of closers) await close()
  authority[Symbol.dispose]()
  strangers[Symbol.dispose]()
})

async function listen(made: { listen(port: number, host: string, done: () => void): unknown; address(): unknown }) {
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    const { closeAllConnections, close } = made as Partial<Server>
    closeAllConnections?.call(made)
    return close?.call(made as Server)
  })
  return (made.address() as AddressInfo).port
}

async function ask(
  name: string,
  answer: typeof handler = (_request, response) => response.end('{"a":1}'),
  fields: Partial<WireRequest> = {},
  by = transport,
): Promise<WireReply> {
  seen = []
  handler = answer
  return by.exchange({
    destination: name as ServerName,
    method: 'GET',
    uri: '/_matrix/federation/v1/x?y=%2F',
    authorization: 'X-Matrix test',
    body: null,
    timeoutMs: 5_000,
    bytesMax: 1_000,
    signal: null,
    ...fields,
  })
}

const reasonOf = (reply: WireReply) => (reply.outcome === 'unreachable' ? reply.reason : reply.outcome)

describe('W10: a request over TLS', () => {
  it('names the server in SNI and Host, and brings back the answer', async () => {
    const reply = await ask(url, (_request, response) => response.writeHead(418, { 'retry-after': '7' }).end('tea'))
    assert.deepEqual(reply, { outcome: 'answered', status: 418, retryAfterMs: 7_000, body: Buffer.from('tea') })
    assert.deepEqual(seen, [
      { host: url, sni: 'good.example', url: '/_matrix/federation/v1/x?y=%2F', authorization: 'X-Matrix test' },
    ])
  })

  it('sends a body', async () => {
    let body = ''
    const reply = await ask(
      url,
      async (request, response) => {
        for await (const chunk of request) body += chunk
        response.end('{}')
      },
      { method: 'PUT', body: '{"é":1}' },
    )
    assert.deepEqual([reply.outcome, body], ['answered', '{"é":1}'])
  })

  it('names the server, not the address, where an override says where it is', async () => {
    assert.equal((await ask('overridden.example')).outcome, 'answered')
    assert.deepEqual([seen[0]?.host, seen[0]?.sni], ['overridden.example', 'overridden.example'])
  })

  it('sends no SNI to IP literals, whose address the certificate must name', async () => {
    assert.equal((await ask(`127.0.0.1:${port}`)).outcome, 'answered')
    assert.deepEqual([seen[0]?.host, seen[0]?.sni], [`127.0.0.1:${port}`, false])
    assert.equal((await ask('1.2.3.4')).outcome, 'answered')
    assert.deepEqual([seen[0]?.host, seen[0]?.sni], ['1.2.3.4', false])
    assert.match(reasonOf(await ask(`127.0.0.2:${port}`)), /ECONNREFUSED|does not match|altnames/)
  })

  it('is not sent to a server with another name', async () => {
    const reply = await ask(`other.example:${port}`)
    assert.match(reasonOf(reply), /other\.example/)
    assert.deepEqual(seen, [])
  })

  it('is not sent to a server whose authority is unknown, whose certificate expired, or that speaks TLS 1.1', async () => {
    const cases: [object, RegExp][] = [
      [strangers.issue(['good.example']), /self-signed|unable to verify|issuer/],
      [authority.issue(['good.example'], -1), /expired/],
      [
        { ...authority.issue(['good.example']), maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' },
        /protocol/,
      ],
    ]
    for (const [options, reason] of cases) {
      let asked = 0
      const other = createServer(options, (_request, response) => {
        asked += 1
        response.end('{}')
      })
      const reply = await ask(`good.example:${await listen(other)}`)
      assert.match(reasonOf(reply), reason)
      assert.equal(asked, 0)
    }
  })

  it('is not sent where only the system’s authorities are believed', async () => {
    const reply = await ask(url, undefined, {}, makeTransport(['127.0.0.0/8'], null))
    assert.match(reasonOf(reply), /certificate/)
  })
})

describe('S61: a request', () => {
  it('goes to no denied address, after DNS or as a literal', async () => {
    const strict = makeTransport([], authority.ca)
    for (const name of [
      url,
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      `[::ffff:127.0.0.1]:${port}`,
      'overridden.example',
    ]) {
      assert.match(reasonOf(await ask(name, undefined, {}, strict)), /not connected to/, name)
    }
    for (const name of ['private.example:1', 'metadata.example:80', '169.254.169.254:80']) {
      assert.match(reasonOf(await ask(name)), /not connected to/, name)
    }
    assert.deepEqual(seen, [])
  })

  it('goes to those addresses of a name that are allowed', async () => {
    assert.equal((await ask(`mixed.example:${port}`)).outcome, 'answered')
  })

  it('follows no redirect', async () => {
    const reply = await ask(url, (_request, response) =>
      response.writeHead(302, { location: `https://${url}/b` }).end(),
    )
    assert.equal(reply.outcome === 'answered' && reply.status, 302)
    assert.equal(seen.length, 1)
  })
})

describe('T5: a request to an evil server ends', () => {
  it('when the answer is too long, whatever its header says', async () => {
    const body = (bytes: number) => (_request: IncomingMessage, response: ServerResponse) =>
      response.end('x'.repeat(bytes))
    assert.equal((await ask(url, body(1_000))).outcome, 'answered')
    assert.equal((await ask(url, body(1_001))).outcome, 'too large')
    const endless = await ask(url, (_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      }
      response.on('drain', more)
      more()
    })
    assert.equal(endless.outcome, 'too large')
  })

  it('when time is up: before the answer, and within it', async () => {
    assert.equal((await ask(url, () => {}, { timeoutMs: 100 })).outcome, 'timed out')
    const slow = await ask(url, (_request, response) => response.write('{'), { timeoutMs: 100 })
    assert.equal(slow.outcome, 'timed out')
  })

  it('when the caller has had enough', async () => {
    const controller = new AbortController()
    const reply = await ask(url, () => controller.abort(), { signal: controller.signal })
    assert.equal(reply.outcome, 'aborted')
    assert.equal((await ask(url, undefined, { signal: AbortSignal.abort() })).outcome, 'aborted')
  })

  it('when the connection ends within the answer, or before it', async () => {
    const middle = await ask(url, (_request, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('{', () => response.destroy())
    })
    assert.equal(middle.outcome, 'unreachable')
    const posted = await ask(url, (request) => request.socket.destroy(), { method: 'POST', body: '{}' })
    assert.deepEqual([posted.outcome, seen.length], ['unreachable', 1])
    // What may be repeated is, once.
    const got = await ask(url, (request) => request.socket.destroy())
    assert.deepEqual([got.outcome, seen.length], ['unreachable', 2])
    const second = await ask(url, (request, response) =>
      seen.length === 1 ? request.socket.destroy() : response.end('{}'),
    )
    assert.equal(second.outcome, 'answered')
  })

  it('when the answer is compressed: it could unpack to any size', async () => {
    const bomb = gzipSync(Buffer.alloc(100_000))
    const reply = await ask(url, (_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    )
    assert.match(reasonOf(reply), /encoded/)
  })

  it('when the other side doesn’t speak TLS, HTTP, or at all', async () => {
    const plain = createTcpServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\n\r\n{}'))
    assert.equal((await ask(`good.example:${await listen(plain)}`)).outcome, 'unreachable')
    const mute = createTcpServer((socket) => closers.push(() => socket.destroy()))
    assert.equal((await ask(`good.example:${await listen(mute)}`, undefined, { timeoutMs: 100 })).outcome, 'timed out')
    const noise = await ask(url, (request) => request.socket.end('HTTP/9 what\r\n\r\n'))
    assert.equal(noise.outcome, 'unreachable')
    assert.equal((await ask('nowhere.example:1')).outcome, 'unreachable')
    assert.equal((await ask('good.example:1')).outcome, 'unreachable')
  })

  it('without keeping others waiting, on six connections at most', async () => {
    let open = 0
    let most = 0
    const waiting: ServerResponse[] = []
    const hold = (_request: IncomingMessage, response: ServerResponse) => {
      open += 1
      most = Math.max(most, open)
      response.on('close', () => {
        open -= 1
      })
      waiting.push(response)
      if (waiting.length === 6) for (const held of waiting.splice(0)) setImmediate(() => held.end('{}'))
    }
    const replies = await Promise.all(Array.from({ length: 18 }, () => ask(url, hold)))
    assert.deepEqual(new Set(replies.map(({ outcome }) => outcome)), new Set(['answered']))
    assert.equal(most, 6)
  })
})

describe('S62: a well-known file', () => {
  /** Where good.example says that it is, by `answer`. */
  const discover = async (answer: typeof handler, allowed = ['127.0.0.0/8'], timeoutMs = 30_000) => {
    makeTransport(allowed, authority.ca)
    const fetchWellKnown = wellKnownFetcher({ connections, userAgent: 'test', port, timeoutMs })
    seen = []
    handler = answer
    const reply = await fetchWellKnown('good.example')
    return 'failure' in reply ? reply.failure : `${reply.status} ${reply.body.length}`
  }
  const redirect = (location: (hop: number) => string) => (request: IncomingMessage, response: ServerResponse) => {
    const hop = Number(/\d+$/.exec(request.url ?? '')?.[0] ?? 0)
    response.writeHead(302, { location: location(hop) }).end()
  }

  it('is read up to 50 KiB', async () => {
    const body = (bytes: number) => (_request: IncomingMessage, response: ServerResponse) =>
      response.end('x'.repeat(bytes))
    assert.equal(await discover(body(51_200)), '200 51200')
    assert.match(await discover(body(51_201)), /longer/)
    assert.equal(seen[0]?.url, '/.well-known/matrix/server')
  })

  it('may be ten redirects away, each over TLS', async () => {
    const ten = (request: IncomingMessage, response: ServerResponse) =>
      request.url === '/10' ? response.end('{}') : redirect((hop) => `/${hop + 1}`)(request, response)
    assert.equal(await discover(ten), '200 2')
    assert.match(await discover(redirect((hop) => `/${hop + 1}`)), /more than 10 times/)
    assert.equal(seen.length, 11)
    assert.match(await discover(redirect(() => `http://good.example:${port}/`)), /redirects to http:/)
  })

  it('is not followed to denied addresses', async () => {
    for (const target of [
      'https://private.example/',
      'https://10.1.1.1/',
      'https://0x0a010101/',
      'https://[fd00::1]/',
    ]) {
      assert.match(await discover(redirect(() => target)), /not connected to/, target)
    }
    assert.equal(seen.length, 1)
  })

  it('is waited for only so long', async () => {
    assert.match(await discover(() => {}, undefined, 300), /no answer within 300 ms/)
  })

  it('leads to the delegate', async () => {
    const reply = await ask('good.example', (request, response) => {
      const isFile = request.url === '/.well-known/matrix/server'
      response.end(isFile ? JSON.stringify({ 'm.server': `mixed.example:${port}` }) : '{}')
    })
    assert.equal(reply.outcome, 'answered')
    assert.deepEqual(
      seen.map(({ host, sni }) => [host, sni]),
      [
        [`good.example:${port}`, 'good.example'],
        [`mixed.example:${port}`, 'mixed.example'],
      ],
    )
  })
})
