/** Where devices meet to sign one in by QR code: MSC4108 with text and ETags, MSC4388 with JSON. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { type Hearth, startHearth, type TestUser } from '#test/harness/hearth.ts'

let hearth: Hearth
let alice: TestUser
before(async () => {
  hearth = await startHearth()
  alice = await hearth.user('alice')
})
after(() => hearth[Symbol.asyncDispose]())

const OLD = '/_matrix/client/unstable/org.matrix.msc4108/rendezvous'
const NEW = '/_matrix/client/unstable/io.element.msc4388/rendezvous'
const LIFETIME_MS = 300_000

/** Opens a link as a browser does, and tells the status. `fetch` sets these headers by itself. */
async function navigate(path: string): Promise<number | undefined> {
  const request = get(hearth.url + path, { headers: { 'sec-fetch-mode': 'navigate' } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}

describe('a meeting by text', () => {
  const text = { 'content-type': 'text/plain' }

  async function create(body: string) {
    const reply = await hearth.request('POST', OLD, { body, headers: text })
    const { pathname, origin } = new URL(reply.body.url)
    assert.equal(origin, 'https://matrix.hearth.example')
    return { ...reply, path: pathname, etag: reply.headers.get('etag') ?? '' }
  }

  it('goes back and forth', async () => {
    const created = await create('hello from A')
    assert.equal(created.status, 201)
    const read = (etag?: string) =>
      hearth.request('GET', created.path, etag === undefined ? {} : { headers: { 'if-none-match': etag } })
    const seen = await read()
    assert.deepEqual([seen.status, seen.text], [200, 'hello from A'])
    assert.equal(seen.headers.get('content-type'), 'text/plain')
    for (const { headers } of [created, seen]) {
      assert.equal(headers.get('etag'), created.etag)
      assert.equal(
        Date.parse(headers.get('expires') ?? '') - Date.parse(headers.get('last-modified') ?? ''),
        LIFETIME_MS,
      )
      assert.equal(headers.get('cache-control'), 'no-store')
      assert.equal(headers.get('pragma'), 'no-cache')
      assert.equal(headers.get('access-control-expose-headers'), 'ETag')
    }
    assert.deepEqual([(await read(created.etag)).status, (await read('"x"')).status], [304, 200])

    const put = (etag: string, body: string) =>
      hearth.request('PUT', created.path, { body, headers: { ...text, 'if-match': etag } })
    const answered = await put(created.etag, 'hello from B')
    assert.equal(answered.status, 202)
    assert.notEqual(answered.headers.get('etag'), created.etag)
    const late = await put(created.etag, 'too late')
    assert.deepEqual([late.status, late.body.errcode], [412, 'M_CONCURRENT_WRITE'])
    assert.equal(late.headers.get('etag'), answered.headers.get('etag'))
    const unquoted = (answered.headers.get('etag') ?? '').replaceAll('"', '')
    assert.equal((await put(unquoted, 'again')).status, 202)
    assert.equal((await read(created.etag)).text, 'again')

    assert.equal((await hearth.request('DELETE', created.path)).status, 204)
    for (const method of ['GET', 'DELETE']) {
      assert.equal((await hearth.request(method, created.path)).body.errcode, 'M_NOT_FOUND')
    }
    assert.equal((await put('"1"', 'x')).status, 404)
  })

  it('ends after its time', async () => {
    const { path } = await create('x')
    hearth.advance(LIFETIME_MS)
    assert.equal((await hearth.request('GET', path)).status, 404)
  })

  it('takes no more than it must', async () => {
    const { path, etag } = await create('')
    const put = async (headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer> = 'x') =>
      (await hearth.request('PUT', path, { body, headers })).body?.errcode
    assert.equal(await put({}), 'M_MISSING_PARAM')
    for (const wrong of [`W/${etag}`, `${etag}, ${etag}`, '"'])
      assert.equal(await put({ 'if-match': wrong }), 'M_INVALID_PARAM')
    assert.equal(await put({ 'if-match': etag }, 'x'.repeat(4_097)), 'M_TOO_LARGE')
    assert.equal(await put({ 'if-match': etag }, new Uint8Array([0xff])), 'M_INVALID_PARAM')
    const large = await hearth.request('POST', OLD, { body: 'x'.repeat(4_097) })
    assert.deepEqual([large.status, large.body.errcode], [413, 'M_TOO_LARGE'])
  })

  it('is no page for a browser', async () => {
    const { path } = await create('<script>')
    for (const at of [path, path.replace(OLD, NEW)]) {
      assert.equal(await navigate(at), 403)
    }
  })
})

describe('a meeting by JSON', () => {
  const create = (data: unknown, token: string | null = alice.token) =>
    hearth.request('POST', NEW, { token, body: { data } })

  it('is begun by users of the server alone', async () => {
    const mayCreate = async (token: string | null) => (await hearth.request('GET', NEW, { token })).body
    assert.deepEqual(await mayCreate(alice.token), { create_available: true })
    assert.deepEqual(await mayCreate(null), { create_available: false })
    assert.equal((await mayCreate('wrong')).errcode, 'M_UNKNOWN_TOKEN')
    const { body: guest } = await hearth.request('POST', '/register?kind=guest', { body: {} })
    assert.deepEqual(await mayCreate(guest.access_token), { create_available: false })
    for (const token of [null, guest.access_token]) assert.equal((await create('x', token)).body.errcode, 'M_FORBIDDEN')
  })

  it('goes back and forth', async () => {
    const { body: created } = await create('hello from A')
    assert.match(created.id, /^[0-9a-zA-Z.=_-]{1,255}$/)
    assert.equal(created.expires_in_ms, LIFETIME_MS)
    hearth.advance(1_000)
    const read = async () => (await hearth.request('GET', `${NEW}/${created.id}`)).body
    const { sequence_token } = created
    assert.deepEqual(await read(), { data: 'hello from A', sequence_token, expires_in_ms: LIFETIME_MS - 1_000 })
    const put = (path: string, sequence_token: string, data: string) =>
      hearth.request('PUT', `${NEW}/${created.id}${path}`, { body: { sequence_token, data } })
    const first = await put('/t1', sequence_token, 'hello from B')
    assert.equal(first.status, 200)
    assert.deepEqual((await put('/t1', sequence_token, 'hello from B')).body, first.body)
    const late = await put('/t2', sequence_token, 'too late')
    assert.deepEqual([late.status, late.body.errcode], [409, 'IO_ELEMENT_MSC4388_CONCURRENT_WRITE'])
    assert.equal((await put('', first.body.sequence_token, 'in the older form')).status, 200)
    assert.equal((await read()).data, 'in the older form')
    assert.deepEqual((await hearth.request('DELETE', `${NEW}/${created.id}`)).body, {})
    assert.equal((await read()).errcode, 'M_NOT_FOUND')
  })

  it('takes no more than it must', async () => {
    assert.equal((await create('x'.repeat(4_097))).body.errcode, 'M_TOO_LARGE')
    assert.equal((await create(5)).body.errcode, 'M_BAD_JSON')
    assert.equal((await create(undefined)).body.errcode, 'M_MISSING_PARAM')
    const { body } = await create('x')
    const wrong = await hearth.request('PUT', `${NEW}/${body.id}/a%20b`, { body: { sequence_token: '1', data: 'x' } })
    assert.equal(wrong.body.errcode, 'M_INVALID_PARAM')
  })
})
