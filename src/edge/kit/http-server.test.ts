/** What every endpoint gets for nothing, over real HTTP: routing, errors, CORS, limits, tokens, the end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { UnavailableError } from '#core/unavailable-error.ts'
import { html, json, redirect } from '#kit/answer.ts'
import { type Endpoint, endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tRoomId, tStateKey } from '#kit/schemas.ts'
import { type KitServer, startKitServer } from '#test/harness/kit-server.ts'

const V3 = '/_matrix/client/v3'
const waiting: ((reason: unknown) => void)[] = []
/** Resolves with the abort reason of the next request to `/wait`. */
const nextAbort = () => new Promise<unknown>((resolve) => waiting.push(resolve))

const echo = endpoint({
  spec: null,
  method: 'PUT',
  path: `${V3}/rooms/{roomId}/echo/{text}`,
  auth: 'none',
  rateLimit: false,
  params: { roomId: tRoomId, text: Type.String() },
  query: { limit: Type.Optional(Type.Integer({ minimum: 1 })) },
  body: Type.Object({ name: Type.String(), age: Type.Optional(Type.Integer()) }),
  bodyBytesMax: 1000,
  handle: ({ params, query, body }) => ({ params, query, body }),
})

const content = endpoint({
  spec: null,
  method: 'PUT',
  path: `${V3}/content`,
  auth: 'none',
  rateLimit: false,
  numbers: 'lossless',
  body: tJsonObject,
  handle: ({ body }) => body,
})

const state = endpoint({
  spec: null,
  method: 'GET',
  path: [`${V3}/state/{type}`, `${V3}/state/{type}/{stateKey}`],
  auth: 'none',
  rateLimit: false,
  params: { type: Type.String(), stateKey: Type.Optional(tStateKey) },
  handle: ({ params }) => ({ type: params.type, stateKey: params.stateKey ?? '' }),
})

const options = endpoint({
  spec: null,
  method: 'POST',
  path: `${V3}/options`,
  auth: 'none',
  rateLimit: false,
  body: Type.Object({ all: Type.Optional(Type.Boolean()) }),
  handle: ({ body }) => ({ all: body.all ?? false }),
})

const form = endpoint({
  spec: null,
  method: 'POST',
  path: '/form',
  auth: 'none',
  rateLimit: false,
  bodyFormat: 'form',
  body: Type.Object({ name: Type.String() }),
  handle: ({ body }) => html(`<p>${body.name.length}</p>`),
})

const whoAmI = endpoint({
  spec: null,
  method: 'GET',
  path: `${V3}/whoami`,
  auth: 'user',
  rateLimit: false,
  handle: ({ caller }) => ({ user_id: caller.userId }),
})

const guestsToo = endpoint({
  spec: null,
  method: 'GET',
  path: `${V3}/guests-too`,
  auth: 'user-or-guest',
  rateLimit: false,
  handle: ({ caller }) => ({ guest: caller.isGuest }),
})

const anybody = endpoint({
  spec: null,
  method: 'GET',
  path: `${V3}/anybody`,
  auth: 'optional',
  rateLimit: false,
  handle: ({ caller, ip }) => ({ user_id: caller?.userId ?? null, ip }),
})

const limited = endpoint({
  spec: null,
  method: 'POST',
  path: `${V3}/limited`,
  auth: 'optional',
  rateLimit: 'message',
  handle: () => ({}),
})

const fail = endpoint({
  spec: null,
  method: 'GET',
  path: `${V3}/fail/{how}`,
  auth: 'none',
  rateLimit: false,
  params: { how: Type.String() },
  handle: ({ params }) => {
    if (params.how === 'expected') throw new MatrixError('M_ROOM_IN_USE', 'Taken', { extra: { alias: '#a:b' } })
    if (params.how === 'status') throw new MatrixError('M_FORBIDDEN', 'No', { status: 451 })
    if (params.how === 'json') return json(401, { flows: [] })
    const cause = new Error('connect ECONNREFUSED 10.0.0.5:5432')
    if (params.how === 'unreachable') throw new UnavailableError('unreachable', { cause })
    if (params.how === 'full') throw new UnavailableError('disk full')
    if (params.how === 'redirect') return redirect('https://example.org/')
    throw new Error('secret detail')
  },
})

const wait = endpoint({
  spec: null,
  method: 'GET',
  path: `${V3}/wait`,
  auth: 'none',
  rateLimit: false,
  handle: async ({ signal }) => {
    waiting.shift()?.('arrived')
    if (!signal.aborted) await once(signal, 'abort')
    waiting.shift()?.(signal.reason)
    return { reason: signal.reason }
  },
})

const ENDPOINTS: Endpoint[] = [echo, content, state, options, form, whoAmI, guestsToo, anybody, limited, fail, wait]

let kit: KitServer
before(async () => {
  const limits = { message: { perSecond: 0.2, burst: 10 } }
  kit = await startKitServer(ENDPOINTS, { trustedProxies: ['127.0.0.1'], limits })
})
after(() => kit.server.stop())

type Answered = { status: number; body: Record<string, unknown>; headers: Headers }

async function request(
  method: string,
  path: string,
  options: { body?: string; headers?: Record<string, string> } = {},
) {
  const response = await fetch(kit.url + path, { method, redirect: 'manual', ...options })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
  const answered: Answered = {
    status: response.status,
    body: isJson ? JSON.parse(text) : { text },
    headers: response.headers,
  }
  return answered
}

/** Sends bytes as they are, and returns everything that comes back until the server closes. */
async function rawRequest(text: string): Promise<string> {
  const socket = connect(kit.port, '127.0.0.1')
  socket.end(text)
  let received = ''
  for await (const chunk of socket) received += chunk
  return received
}

function refused(answered: Answered, status: number, errcode: string): void {
  assert.deepEqual([answered.status, answered.body['errcode']], [status, errcode])
  assert.equal(typeof answered.body['error'], 'string')
}

const put = (query: string, body: string, path = `${V3}/rooms/!r:x/echo/t`) => request('PUT', path + query, { body })

describe('routing', () => {
  it('knows what it has not got', async () => {
    refused(await request('GET', '/_matrix/client/v3/nothing'), 404, 'M_UNRECOGNIZED')
    refused(await request('GET', '/'), 404, 'M_UNRECOGNIZED')
    refused(await request('DELETE', `${V3}/rooms/!r:x/echo/t`), 405, 'M_UNRECOGNIZED')
    refused(await request('PATCH', `${V3}/whoami`), 405, 'M_UNRECOGNIZED')
    refused(await request('GET', `${V3}/whoami/`), 404, 'M_UNRECOGNIZED')
  })

  it('serves every v3 path as r0, and no other prefix', async () => {
    assert.equal((await request('GET', '/_matrix/client/r0/anybody')).status, 200)
    assert.equal((await request('GET', '/_matrix/client/v1/anybody')).status, 404)
  })

  it('decodes path parameters once', async () => {
    for (const text of ['a/b', '%2F', '%25', 'ä ü+&?#;:', '😀', '\u0000', "';--", '%', '%zz']) {
      const { body } = await put('', '{"name":"n"}', `${V3}/rooms/!r:x/echo/${encodeURIComponent(text)}`)
      assert.deepEqual(body['params'], { roomId: '!r:x', text })
    }
  })

  it('refuses escapes that are not UTF-8', async () => {
    refused(await request('GET', `${V3}/state/%ff`), 400, 'M_INVALID_PARAM')
    refused(await request('GET', `${V3}/state/%zz`), 400, 'M_INVALID_PARAM')
    assert.equal((await request('GET', `${V3}/state/%ff`)).headers.get('access-control-allow-origin'), '*')
  })

  it('takes long parameters', async () => {
    const { status, body } = await request('GET', `${V3}/state/${'x'.repeat(5000)}`)
    assert.equal(status, 200)
    assert.equal(String(body['type']).length, 5000)
  })

  it('takes an empty state key with and without the slash', async () => {
    for (const path of ['/state/m.x', '/state/m.x/']) {
      assert.deepEqual((await request('GET', V3 + path)).body, { type: 'm.x', stateKey: '' })
    }
    assert.deepEqual((await request('GET', `${V3}/state/m.x/key`)).body, { type: 'm.x', stateKey: 'key' })
  })

  it('is healthy', async () => {
    assert.equal((await request('GET', '/health')).body['text'], 'ok\n')
  })
})

describe('CORS (W1)', () => {
  it('stands on every answer', async () => {
    const answers = [
      await request('GET', `${V3}/anybody`),
      await request('GET', '/nothing'),
      await request('DELETE', `${V3}/anybody`),
      await request('GET', `${V3}/fail/defect`),
      await request('GET', `${V3}/whoami`),
      await request('OPTIONS', `${V3}/whoami`),
      await request('OPTIONS', '/nothing'),
    ]
    for (const { headers } of answers) {
      assert.equal(headers.get('access-control-allow-origin'), '*')
      assert.equal(headers.get('access-control-allow-methods'), 'GET, POST, PUT, DELETE, OPTIONS')
      assert.equal(headers.get('access-control-max-age'), '86400')
      assert.equal(
        headers.get('access-control-allow-headers'),
        'X-Requested-With, Content-Type, Authorization, If-Match, If-None-Match',
      )
    }
  })

  it('answers OPTIONS without logic', async () => {
    assert.equal((await request('OPTIONS', `${V3}/whoami`)).status, 204)
  })

  it('JSON has no charset, wherever it comes from', async () => {
    const found = await Promise.all([
      request('GET', `${V3}/anybody`),
      request('GET', `${V3}/unknown`),
      request('GET', `${V3}/fail/json`),
      request('GET', `${V3}/fail/defect`),
    ])
    for (const { headers } of found) assert.equal(headers.get('content-type'), 'application/json')
  })

  it('stands on the refusal of what is not HTTP', async () => {
    const answer = await rawRequest('nonsense\r\n\r\n')
    assert.match(answer, /^HTTP\/1\.1 400 /)
    assert.match(answer, /access-control-allow-origin: \*/)
    assert.match(answer, /"errcode":"M_UNKNOWN"/)
  })
})

describe('bodies', () => {
  it('tells the ways of being wrong apart', async () => {
    refused(await put('', '{"name"'), 400, 'M_NOT_JSON')
    refused(await put('', ''), 400, 'M_NOT_JSON')
    refused(await put('', '[]'), 400, 'M_BAD_JSON')
    refused(await put('', '{"name":5}'), 400, 'M_BAD_JSON')
    refused(await put('', '{"name":"n","age":"5"}'), 400, 'M_BAD_JSON')
    refused(await put('', '{"age":5}'), 400, 'M_MISSING_PARAM')
    assert.match(String((await put('', '{"age":5}')).body['error']), /name/)
    refused(await put('', '{"name":"a","name":"b"}'), 400, 'M_BAD_JSON')
  })

  it('takes exactly the limit, and not a byte more', async () => {
    const of = (bytes: number) => JSON.stringify({ name: 'x'.repeat(bytes - 11) })
    assert.equal(of(1000).length, 1000)
    assert.equal((await put('', of(1000))).status, 200)
    refused(await put('', of(1001)), 413, 'M_TOO_LARGE')
    refused(await put('', of(2_000_000)), 413, 'M_TOO_LARGE')
  })

  it('takes a depth of 100, and not 101', async () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
    assert.equal((await request('PUT', `${V3}/content`, { body: nested(100) })).status, 200)
    refused(await request('PUT', `${V3}/content`, { body: nested(101) }), 400, 'M_BAD_JSON')
  })

  it('keeps numbers by their text where the endpoint asks for it', async () => {
    const body = '{"a":1.0,"b":9007199254740993,"c":1e3}'
    const response = await fetch(`${kit.url}${V3}/content`, { method: 'PUT', body })
    assert.equal(await response.text(), body)
  })

  it('reads JSON whatever the content type says', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'nonsense', 'application/json; charset=x']) {
      const answered = await request('POST', `${V3}/options`, {
        body: '{"all":true}',
        headers: { 'content-type': type },
      })
      assert.deepEqual(answered.body, { all: true }, type)
    }
  })

  it('refuses multipart (S66) and compressed bodies (W8)', async () => {
    const multipart = { 'content-type': 'multipart/form-data; boundary=x' }
    refused(await request('POST', `${V3}/options`, { body: '{}', headers: multipart }), 400, 'M_NOT_JSON')
    refused(
      await request('POST', `${V3}/options`, { body: '{}', headers: { 'content-encoding': 'gzip' } }),
      400,
      'M_NOT_JSON',
    )
  })

  it('takes an empty body of POST as no options', async () => {
    assert.deepEqual((await request('POST', `${V3}/options`)).body, { all: false })
  })

  it('reads forms where the endpoint is a page of ours', async () => {
    const answered = await request('POST', '/form', { body: 'name=J%C3%B6rg+M' })
    assert.equal(answered.body['text'], '<p>6</p>')
    assert.match(String(answered.headers.get('content-security-policy')), /default-src 'none'/)
  })
})

describe('queries', () => {
  it('reads integers strictly', async () => {
    assert.deepEqual((await put('?limit=12', '{"name":"n"}')).body['query'], { limit: 12 })
    assert.deepEqual((await put('?other=1&other=2', '{"name":"n"}')).body['query'], {})
    for (const bad of [
      '1e2',
      '0x10',
      '',
      '1.0',
      '-0',
      '+1',
      ' 1',
      '01',
      '1&limit=2',
      '0',
      '-1',
      '99999999999999999',
      '%ff',
    ]) {
      refused(await put(`?limit=${bad}`, '{"name":"n"}'), 400, 'M_INVALID_PARAM')
    }
  })

  it('checks path parameters by their schema', async () => {
    const path = (roomId: string) => `${V3}/rooms/${encodeURIComponent(roomId)}/echo/t`
    const room = (bytes: number) => `!${'é'.repeat((bytes - 2) / 2)}:`
    assert.equal((await put('', '{"name":"n"}', path(`${room(254)}x`))).status, 200)
    for (const bad of [`${room(256)}`, 'r:x', '!', `!${'x'.repeat(255)}`, '!a\u0000:x']) {
      refused(await put('', '{"name":"n"}', path(bad)), 400, 'M_INVALID_PARAM')
    }
  })
})

describe('tokens', () => {
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

  it('asks for one, by the errors of the specification', async () => {
    refused(await request('GET', `${V3}/whoami`), 401, 'M_MISSING_TOKEN')
    refused(await request('GET', `${V3}/whoami`, { headers: { authorization: 'Basic YTpi' } }), 401, 'M_MISSING_TOKEN')
    refused(await request('GET', `${V3}/whoami`, bearer('mallory')), 401, 'M_UNKNOWN_TOKEN')
    refused(await request('GET', `${V3}/whoami`, bearer('guest')), 403, 'M_GUEST_ACCESS_FORBIDDEN')
    assert.deepEqual((await request('GET', `${V3}/whoami`, bearer('alice'))).body, { user_id: '@alice:example.org' })
    assert.deepEqual((await request('GET', `${V3}/guests-too`, bearer('guest'))).body, { guest: true })
  })

  it('reads the old place, and lets optional ones be absent but not wrong', async () => {
    assert.equal((await request('GET', `${V3}/whoami?access_token=alice`)).status, 200)
    assert.equal((await request('GET', `${V3}/anybody`)).body['user_id'], null)
    refused(await request('GET', `${V3}/anybody?access_token=mallory`), 401, 'M_UNKNOWN_TOKEN')
  })

  it('never logs one', async () => {
    await request('GET', `${V3}/anybody?access_token=sentinel-in-query`)
    await request('GET', `${V3}/whoami`, bearer('sentinel-in-header'))
    await request('GET', `/nothing?access_token=sentinel-in-404`)
    await request('GET', `${V3}/state/sentinel-in-path`)
    assert.ok(kit.logged.some((line) => line.includes('/nothing')))
    assert.ok(!kit.logged.some((line) => line.includes('sentinel')))
  })
})

describe('rate limits (W3)', () => {
  it('let the burst pass, then say how long to wait', async () => {
    const send = () => request('POST', `${V3}/limited?access_token=alice`)
    for (let i = 0; i < 10; i++) assert.equal((await send()).status, 200)
    const over = await send()
    refused(over, 429, 'M_LIMIT_EXCEEDED')
    assert.equal(over.body['retry_after_ms'], 5000)
    assert.equal(over.headers.get('retry-after'), '5')
    // Another key has a bucket of its own.
    assert.equal((await request('POST', `${V3}/limited`)).status, 200)
    kit.advance(4999)
    assert.equal((await send()).status, 429)
    kit.advance(1)
    assert.equal((await send()).status, 200)
  })

  it('count by the forwarded address of a trusted proxy, an IPv6 one by its network', async () => {
    const send = (ip: string) => request('POST', `${V3}/limited`, { headers: { 'x-forwarded-for': ip } })
    for (let i = 0; i < 10; i++) assert.equal((await send(`2001:db8:1:2::${i}`)).status, 200)
    assert.equal((await send('2001:db8:1:2::ffff')).status, 429)
    assert.equal((await send('2001:db8:1:3::1')).status, 200)
  })

  it('believe no forwarded address of anybody else', async () => {
    await using direct = await startKitServer([anybody])
    const response = await fetch(`${direct.url}${V3}/anybody`, { headers: { 'x-forwarded-for': '9.9.9.9' } })
    assert.equal(((await response.json()) as { ip: string }).ip, '127.0.0.1')
  })
})

describe('failures', () => {
  it('become the answers of the specification', async () => {
    const expected = await request('GET', `${V3}/fail/expected`)
    assert.deepEqual(expected.body, { errcode: 'M_ROOM_IN_USE', error: 'Taken', alias: '#a:b' })
    assert.equal(expected.status, 400)
    assert.equal((await request('GET', `${V3}/fail/status`)).status, 451)
    assert.deepEqual((await request('GET', `${V3}/fail/json`)).body, { flows: [] })
    assert.equal((await request('GET', `${V3}/fail/redirect`)).headers.get('location'), 'https://example.org/')
  })

  it('tell nothing of a defect but the id under which it was logged (W18)', async () => {
    const answered = await request('GET', `${V3}/fail/defect`)
    refused(answered, 500, 'M_UNKNOWN')
    const id = /request (test-\w+)/.exec(String(answered.body['error']))?.[1]
    assert.ok(!JSON.stringify(answered.body).includes('secret'))
    assert.ok(kit.logged.some((line) => line.includes(`"${id}"`) && line.includes('secret detail')))
  })

  it('of the database are for a while, and no defects', async () => {
    const answered = await request('GET', `${V3}/fail/unreachable`)
    refused(answered, 503, 'M_UNKNOWN')
    assert.equal(answered.headers.get('retry-after'), '5')
    assert.equal(answered.body['error'], "The database can't be reached")
    refused(await request('GET', `${V3}/fail/full`), 507, 'M_UNKNOWN')
    assert.ok(!kit.logged.some((line) => line.includes('10.0.0.5')))
  })

  it('of health are told', async () => {
    await using ill = await startKitServer([], { healthProblem: async () => 'The disk is full' })
    const response = await fetch(`${ill.url}/health`)
    assert.deepEqual([response.status, await response.text()], [503, 'The disk is full\n'])
  })

  it('are counted', async () => {
    await request('GET', `${V3}/anybody`)
    assert.match(
      await kit.metrics.text(),
      /hearth_http_request_duration_seconds_count\{operation="GET [^"]+anybody",status="200"\}/,
    )
  })
})

describe('the end of a request', () => {
  it('is told to the handler when the client goes away', async () => {
    const arrived = nextAbort()
    const aborted = nextAbort()
    const client = new AbortController()
    const response = fetch(`${kit.url}${V3}/wait`, { signal: client.signal })
    await arrived
    client.abort()
    await assert.rejects(response)
    assert.equal(await aborted, 'gone')
  })

  it('comes at once when the server stops (R8)', async () => {
    await using stopping = await startKitServer([wait])
    const arrived = nextAbort()
    const response = fetch(`${stopping.url}${V3}/wait`)
    await arrived
    const stopped = stopping.server.stop()
    const answer = await response
    assert.equal(answer.headers.get('connection'), 'close')
    assert.deepEqual(await answer.json(), { reason: 'stopping' })
    await stopped
    await assert.rejects(fetch(`${stopping.url}${V3}/wait`))
  })
})
