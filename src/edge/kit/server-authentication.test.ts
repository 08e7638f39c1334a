/** Requests that other servers sign, over HTTP: who is let in, and what the endpoint gets. */
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { Type } from 'typebox'
import { type Signer, signerFromSeed } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { signRequest } from '#core/x-matrix.ts'
import { endpoint, FEDERATION_BODY_BYTES_MAX } from '#kit/endpoint.ts'
import { tJsonObject } from '#kit/schemas.ts'
import { RequestAuthenticator } from '#services/federation/keys/request-authenticator.ts'
import { type KitServer, startKitServer } from '#test/harness/kit-server.ts'

const US = 'us.example' as ServerName
const PEER = 'peer.example:8448'
const [first, second] = ['1', '2'].map((version) =>
  signerFromSeed(PEER, version, new Uint8Array(32).fill(Number(version))),
) as [Signer, Signer]

let server: KitServer
let reset: string[] = []
let handled: unknown[] = []

const authenticator = new RequestAuthenticator({
  serverName: US,
  keyRing: {
    async requestKeys(name) {
      return name === PEER ? new Map([first, second].map(({ keyId, publicKey }) => [keyId, publicKey])) : new Map()
    },
  },
  backOff: { reset: (name) => reset.push(name) },
})

const path = '/_matrix/federation/v1/thing/{name}'
const params = { name: Type.String() }
before(async () => {
  const endpoints = [
    endpoint({
      spec: null,
      method: 'PUT',
      path,
      auth: 'server',
      rateLimit: false,
      params,
      body: Type.Object({ pdus: Type.Array(tJsonObject) }),
      handle({ origin, params, body, caller }) {
        handled.push({ origin, params, body, caller })
        return {}
      },
    }),
    endpoint({
      spec: null,
      method: 'GET',
      path,
      auth: 'server',
      rateLimit: false,
      params,
      handle: ({ origin }) => ({ origin }),
    }),
  ]
  server = await startKitServer(endpoints, { authenticateServer: (request) => authenticator.authenticate(request) })
})
after(() => server[Symbol.asyncDispose]())

describe('requests of one other server', () => {
  it('past the limit are refused with 429 M_LIMIT_EXCEEDED and Retry-After, others are not', async () => {
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const hold = endpoint({
      spec: null,
      method: 'GET',
      path: '/hold',
      auth: 'server',
      rateLimit: false,
      async handle() {
        begun.resolve()
        await held
        return {}
      },
    })
    await using limited = await startKitServer([hold], {
      serverLimit: { windowMs: 2_500, sleepAfter: 10, sleepMs: 500, rejectAfter: 1, concurrent: 1 },
      authenticateServer: async ({ authorization }) => ({ origin: authorization[0] as ServerName, content: undefined }),
    })
    const get = (authorization: string) => fetch(`${limited.url}/hold`, { headers: { authorization } })
    const runs = get('a.example')
    await begun.promise
    const rest = [get('a.example'), get('a.example')]
    const refused = await Promise.race(rest)
    assert.equal(refused.status, 429)
    assert.equal(refused.headers.get('retry-after'), '3')
    assert.deepEqual(await refused.json(), {
      errcode: 'M_LIMIT_EXCEEDED',
      error: 'Too many requests',
      retry_after_ms: 2_500,
    })
    const other = get('b.example')
    letGo()
    assert.deepEqual(
      (await Promise.all([runs, other, ...rest])).map(({ status }) => status).sort(),
      [200, 200, 200, 429],
    )
  })
})

type Sent = { method?: string; uri?: string; headers?: string[]; body?: string | null }

/** Sends header lines as they are, several of one name too. */
async function send({ method = 'GET', uri = '/_matrix/federation/v1/thing/a', headers = [], body = null }: Sent) {
  reset = []
  handled = []
  return new Promise<{ status: number; json: JsonObject }>((resolve, reject) => {
    const sent = httpRequest(
      `${server.url}`,
      { path: uri, method, headers: ['Host', 'us.example', ...headers.flatMap((value) => ['Authorization', value])] },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, json: JSON.parse(Buffer.concat(chunks).toString()) }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body ?? undefined)
  })
}

const signed = (
  request: { method?: string; uri?: string; content?: string | null; destination?: string },
  signer = first,
) =>
  signRequest(
    { method: 'GET', uri: '/_matrix/federation/v1/thing/a', destination: US, content: null, ...request },
    signer,
  )

describe('a request of another server', () => {
  it('is let in by its signature, which covers the path as it was sent', async () => {
    assert.deepEqual(await send({ headers: [signed({})] }), { status: 200, json: { origin: PEER } })
    assert.deepEqual(reset, [PEER])
    const uri = '/_matrix/federation/v1/thing/%41%2f?b=%20&a=+'
    assert.equal((await send({ uri, headers: [signed({ uri })] })).status, 200)
  })

  it('hands its body to the endpoint, odd numbers included', async () => {
    const body = '{"pdus":[{"b":1.0,"a":1e3}]}'
    const content = canonicalJson({ pdus: [{ b: JSON.rawJSON('1.0'), a: JSON.rawJSON('1e3') }] })
    const { status } = await send({ method: 'PUT', headers: [signed({ method: 'PUT', content })], body })
    assert.equal(status, 200)
    assert.equal(JSON.stringify(handled), `[{"origin":"${PEER}","params":{"name":"a"},"body":${body},"caller":null}]`)
  })

  it('may be signed with several keys', async () => {
    assert.equal((await send({ headers: [signed({}), signed({}, second)] })).status, 200)
    const unknown = signerFromSeed(PEER, '3', new Uint8Array(32).fill(3))
    assert.equal((await send({ headers: [signed({}, unknown), signed({})] })).status, 200)
  })

  const other = signerFromSeed('other.example', '1', new Uint8Array(32).fill(1))
  const refused: [what: string, request: Sent][] = [
    ['without a header', {}],
    ['with an access token', { headers: ['Bearer abc'] }],
    ['with a malformed header', { headers: ['X-Matrix origin="peer.example'] }],
    ['for another server', { headers: [signed({ destination: 'them.example' })] }],
    ['signed for another server', { headers: [signed({ destination: 'them.example' }).replace('them.example', US)] }],
    ['signed for another path', { headers: [signed({ uri: '/_matrix/federation/v1/thing/b' })] }],
    ['signed for the path without its query', { uri: '/_matrix/federation/v1/thing/a?b', headers: [signed({})] }],
    ['signed for another method', { headers: [signed({ method: 'PUT' })] }],
    [
      'signed for another body',
      { method: 'PUT', body: '{"pdus":[]}', headers: [signed({ method: 'PUT', content: '{"pdus":[1]}' })] },
    ],
    ['signed without its body', { method: 'PUT', body: '{"pdus":[]}', headers: [signed({ method: 'PUT' })] }],
    ['signed with a body that isn’t there', { headers: [signed({ content: '{}' })] }],
    ['of a server without keys', { headers: [signed({}, other)] }],
    ['in another server’s name', { headers: [signed({}, other).replace('other.example', PEER)] }],
    ['by an unknown key', { headers: [signed({}).replace('ed25519:1', 'ed25519:9')] }],
    ['by an unknown algorithm', { headers: [signed({}).replace('ed25519:1', 'rsa:1')] }],
    ['with a second signature that is wrong', { headers: [signed({}), signed({ method: 'PUT' }, second)] }],
    ['with headers of two servers', { headers: [signed({}), signed({}, other)] }],
    ['of this server itself', { headers: [signed({}, signerFromSeed(US, '1', new Uint8Array(32).fill(1)))] }],
  ]
  for (const [what, request] of refused) {
    it(`is refused ${what}: 401 M_UNAUTHORIZED`, async () => {
      const { status, json } = await send(request)
      assert.deepEqual([status, json['errcode']], [401, 'M_UNAUTHORIZED'])
      assert.deepEqual([handled, reset], [[], []])
    })
  }

  it('may leave out the destination in its header, though not in its signature', async () => {
    const bare = signed({}).replace(`destination="${US}",`, '')
    assert.equal((await send({ headers: [bare] })).status, 200)
  })

  it('is judged by its form only once it is known whose it is', async () => {
    const put = (body: string, content: string) =>
      send({ method: 'PUT', body, headers: [signed({ method: 'PUT', content })] })
    for (const [body, status, errcode] of [
      ['{"pdus":5}', 400, 'M_BAD_JSON'],
      ['{}', 400, 'M_MISSING_PARAM'],
      ['{', 400, 'M_NOT_JSON'],
      ['{"pdus":[],"pdus":[]}', 400, 'M_BAD_JSON'],
    ] as const) {
      const reply = await put(body, body)
      assert.deepEqual([reply.status, reply.json['errcode']], [status, errcode], body)
      const unsigned = await send({ method: 'PUT', body })
      assert.equal(unsigned.status, 401)
    }
    const empty = await send({ method: 'PUT', headers: [signed({ method: 'PUT' })] })
    assert.deepEqual([empty.status, empty.json['errcode']], [400, 'M_NOT_JSON'])
  })

  it('may have a body of 12.5 MiB, and nest as deep as events can', async () => {
    const text = `"${'x'.repeat(500_000)}",`
    const body = (bytes: number) => {
      const texts = text.repeat(Math.floor((bytes - 22) / text.length))
      return `{"pdus":[],"x":[${texts}"${'x'.repeat(bytes - texts.length - 20)}"]}`
    }
    const put = (text: string) =>
      send({ method: 'PUT', body: text, headers: [signed({ method: 'PUT', content: text })] })
    assert.equal((await put(body(FEDERATION_BODY_BYTES_MAX))).status, 200)
    assert.equal((await put(body(FEDERATION_BODY_BYTES_MAX + 1))).status, 413)
    const altered = { method: 'PUT', body: body(300_000), headers: [signed({ method: 'PUT', content: body(300_001) })] }
    assert.equal((await send(altered)).status, 401)
    const deep = `{"pdus":[],"x":${'['.repeat(30_000)}${']'.repeat(30_000)}}`
    assert.equal((await put(deep)).status, 200)
  })
})
