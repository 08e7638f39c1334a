/** SECURITY.md section 3: each limit that a client can reach, exactly at it and just over it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { canonicalJson } from '#core/json/canonical.ts'
import { type Answer, Api, room, V3 } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Hearth, SERVER_NAME } from '#test/system/harness/hearth.ts'

const e = encodeURIComponent
const EVENT_BYTES_MAX = 65_535
const BODY_BYTES_MAX = 1024 * 1024
const KEYS_BODY_BYTES_MAX = 10 * BODY_BYTES_MAX
const AFTER_NAME = `:${SERVER_NAME}`.length

onEachDatabase('limits', (database) => {
  let hearth: Hearth
  let alice: Api
  let roomId: string
  before(async () => {
    hearth = await Hearth.start({ database })
    alice = await new Api(hearth.url).register('alice')
    roomId = await alice.createRoom({ preset: 'public_chat' })
  })
  after(() => hearth[Symbol.asyncDispose]())

  const put = (path: string, body: object | string) =>
    alice.request('PUT', path, typeof body === 'string' ? { raw: body } : { body })
  const post = (path: string, body: object | string) =>
    alice.request('POST', path, typeof body === 'string' ? { raw: body } : { body })
  const mine = (rest: string) => `${V3}/user/${e(alice.userId)}/${rest}`
  let transactions = 0
  const send = (content: object | string, type = 'm.room.message') =>
    put(room(roomId, 'send', type, `limit${transactions++}`), content)
  const accepts = (answer: Answer) => assert.equal(answer.status, 200, JSON.stringify(answer.body).slice(0, 300))
  const refuses = (answer: Answer, status: number, errcode: string) =>
    assert.deepEqual([answer.status, answer.body.errcode], [status, errcode], JSON.stringify(answer.body).slice(0, 300))

  it('an event has at most 65,535 bytes, signatures included', async () => {
    // The size of an event with a body of this length, from one that was sent.
    const { body } = await send({ body: 'x'.repeat(1000) })
    const filter = JSON.stringify({ event_format: 'federation', room: { timeline: { limit: 1 } } })
    const sync = await alice.sync({ filter })
    const { event_id, unsigned, ...event } = sync.rooms.join[roomId].timeline.events[0]
    assert.equal(event_id, body.event_id)
    assert.ok(unsigned)
    const rest = Buffer.byteLength(canonicalJson({ ...event, room_id: roomId })) - 1000
    accepts(await send({ body: 'x'.repeat(EVENT_BYTES_MAX - rest) }))
    refuses(await send({ body: 'x'.repeat(EVENT_BYTES_MAX - rest + 1) }), 413, 'M_TOO_LARGE')
    // Bytes count, not characters.
    refuses(await send({ body: 'é'.repeat((EVENT_BYTES_MAX - rest) / 2 + 1) }), 413, 'M_TOO_LARGE')
  })

  for (const [what, fits, tooLong] of [
    ['ASCII', 'x'.repeat(255), 'x'.repeat(256)],
    ['two-byte characters', `${'é'.repeat(127)}x`, 'é'.repeat(128)],
    ['four-byte characters', `${'🙂'.repeat(63)}xyz`, '🙂'.repeat(64)],
  ] as const) {
    it(`types and state keys have at most 255 bytes: ${what}`, async () => {
      accepts(await send({}, fits))
      refuses(await send({}, tooLong), 413, 'M_TOO_LARGE')
      accepts(await put(room(roomId, 'state', 'test.key', fits), {}))
      refuses(await put(room(roomId, 'state', 'test.key', tooLong), {}), 413, 'M_TOO_LARGE')
      refuses(await put(room(roomId, 'state', tooLong, ''), {}), 413, 'M_TOO_LARGE')
    })

    it(`tags and transaction ids have at most 255 bytes: ${what}`, async () => {
      accepts(await put(mine(`rooms/${e(roomId)}/tags/${e(fits)}`), {}))
      assert.ok([400, 413].includes((await put(mine(`rooms/${e(roomId)}/tags/${e(tooLong)}`), {})).status))
      accepts(await put(room(roomId, 'send', 'm.room.message', fits), {}))
      refuses(await put(room(roomId, 'send', 'm.room.message', tooLong), {}), 400, 'M_INVALID_PARAM')
    })
  }

  it('ids in paths have at most 255 bytes', async () => {
    for (const [sigil, path] of [
      ['!', (id: string) => room(id, 'state')],
      ['$', (id: string) => room(roomId, 'event', id)],
    ] as const) {
      const known = await alice.request('GET', path(sigil + 'x'.repeat(254)))
      assert.ok(known.status === 403 || known.status === 404, `${known.status}`)
      refuses(await alice.request('GET', path(sigil + 'x'.repeat(255))), 400, 'M_INVALID_PARAM')
    }
  })

  it('an alias has at most 255 bytes', async () => {
    const alias = (length: number) =>
      `${V3}/directory/room/${e(`#${'x'.repeat(length - 1 - AFTER_NAME)}:${SERVER_NAME}`)}`
    accepts(await put(alias(255), { room_id: roomId }))
    assert.ok([400, 413].includes((await put(alias(256), { room_id: roomId })).status))
  })

  it('a user id has at most 255 bytes, of the characters that are allowed', async () => {
    const register = (username: string) =>
      post(`${V3}/register`, { username, password: 'x', auth: { type: 'm.login.dummy' } })
    const name = (length: number) => 'n'.repeat(length - 1 - AFTER_NAME)
    accepts(await register(name(255)))
    refuses(await register(name(256)), 400, 'M_INVALID_USERNAME')
    accepts(await register('abc._=-/+09'))
    for (const odd of ['a b', 'ä', 'a:b', 'a\u0000', '😀', 'a%b'])
      refuses(await register(odd), 400, 'M_INVALID_USERNAME')
  })

  it('integers of events run from −(2^53)+1 to 2^53−1, without fraction, exponent or −0', async () => {
    for (const number of ['9007199254740991', '-9007199254740991', '0']) accepts(await send(`{"n":${number}}`))
    for (const number of ['9007199254740992', '-9007199254740992', '1.1', '1.0', '1e3', '-0']) {
      refuses(await send(`{"n":${number}}`), 400, 'M_BAD_JSON')
    }
    for (const token of ['NaN', 'Infinity', '-Infinity', '01', '1.', '+1', '0x1']) {
      refuses(await send(`{"n":${token}}`), 400, 'M_NOT_JSON')
    }
  })

  it('JSON of events: no duplicate keys, no lone surrogates, nested to 100', async () => {
    const nested = (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`
    accepts(await send(nested(100)))
    refuses(await send(nested(101)), 400, 'M_BAD_JSON')
    refuses(await send('{"a":1,"\\u0061":2}'), 400, 'M_BAD_JSON')
    refuses(await send('{"a":"\\ud800"}'), 400, 'M_BAD_JSON')
    refuses(await send('\ufeff{}'), 400, 'M_NOT_JSON')
    const bytes = new Uint8Array([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])
    const answer = await alice.request('PUT', room(roomId, 'send', 'm.room.message', 'utf8'), { raw: bytes })
    refuses(answer, 400, 'M_NOT_JSON')
  })

  it('S53: U+0000 comes back as it went in', async () => {
    const content = { msgtype: 'm.text', body: 'a\u0000b', '\u0000': ['\u0000'] }
    const eventId = await alice.sendEvent(roomId, 'm.room.message', content)
    assert.deepEqual((await alice.get(room(roomId, 'event', eventId))).content, content)
    for (const [type, state] of [
      ['m.room.name', { name: 'na\u0000me' }],
      ['m.room.topic', { topic: 'to\u0000pic' }],
    ] as const) {
      accepts(await put(room(roomId, 'state', type, ''), state))
      assert.deepEqual(await alice.get(room(roomId, 'state', type, '')), state)
    }
    accepts(await put(mine('account_data/test.nul'), content))
    assert.deepEqual(await alice.get(mine('account_data/test.nul')), content)
    const named = await put(`${V3}/profile/${e(alice.userId)}/displayname`, { displayname: 'a\u0000b' })
    assert.ok(named.status === 200 || named.status === 400)
    assert.ok((await alice.sync()).rooms.join[roomId])
    accepts(await alice.request('GET', `${V3}/publicRooms`))
  })

  it('J4: keys that mean something to JavaScript are keys like others', async () => {
    const raw = '{"__proto__":{"a":1},"constructor":1,"toString":2,"hasOwnProperty":3}'
    const { body } = await send(raw)
    const event = await alice.get(room(roomId, 'event', body.event_id))
    assert.deepEqual(Object.keys(event.content).sort(), ['__proto__', 'constructor', 'hasOwnProperty', 'toString'])
    accepts(await put(mine('account_data/test.proto'), raw))
    const stored = await alice.get(mine('account_data/test.proto'))
    assert.deepEqual(Object.keys(stored).sort(), ['__proto__', 'constructor', 'hasOwnProperty', 'toString'])
    refuses(
      await put(room(roomId, 'state', 'm.room.power_levels', ''), '{"users":{"__proto__":100}}'),
      400,
      'M_BAD_JSON',
    )
  })

  it('power levels are integers of users with valid ids', async () => {
    const levels = (content: object) => put(room(roomId, 'state', 'm.room.power_levels', ''), content)
    const now = await alice.get(room(roomId, 'state', 'm.room.power_levels', ''))
    accepts(await levels({ ...now, users: { [`@bob:${SERVER_NAME}`]: 50 } }))
    refuses(await levels({ ...now, users: { [`@bob:${SERVER_NAME}`]: '50' } }), 400, 'M_BAD_JSON')
    refuses(await levels({ ...now, users: { bob: 50 } }), 400, 'M_BAD_JSON')
    refuses(await levels({ ...now, users_default: null }), 400, 'M_BAD_JSON')
    // S13: creators have all power already, and can't be named.
    assert.ok((await levels({ ...now, users: { [alice.userId]: 100 } })).status >= 400)
  })

  it('S13: creators stand above every level, and those who are added are users', async () => {
    const now = await alice.get(room(roomId, 'state', 'm.room.power_levels', ''))
    accepts(
      await put(room(roomId, 'state', 'm.room.power_levels', ''), { ...now, events: { 'test.high': 2 ** 53 - 1 } }),
    )
    accepts(await put(room(roomId, 'state', 'test.high', ''), {}))
    const create = (additional: unknown) =>
      post(`${V3}/createRoom`, { creation_content: { additional_creators: additional } })
    accepts(await create([`@bob:${SERVER_NAME}`]))
    for (const bad of [['bob'], 'x', [1], [`@${'x'.repeat(255)}:${SERVER_NAME}`], null]) {
      assert.equal((await create(bad)).status, 400, JSON.stringify(bad))
    }
    const given = await alice.createRoom({ creation_content: { room_id: '!mine:elsewhere' } })
    assert.match(given, /^![A-Za-z0-9_-]{43}$/)
  })

  it('profiles: names of fields to 255 bytes, the whole under 65,536', async () => {
    const field = (name: string, value: unknown) =>
      put(`${V3}/profile/${e(alice.userId)}/${e(name)}`, { [name]: value })
    const name = (length: number) => `x.${'y'.repeat(length - 2)}`
    accepts(await field(name(255), 1))
    refuses(await field(name(256), 1), 400, 'M_KEY_TOO_LARGE')
    const size = Buffer.byteLength(JSON.stringify(await alice.get(`${V3}/profile/${e(alice.userId)}`)))
    const room65535 = 65_535 - size - ',"x.big":""'.length
    accepts(await field('x.big', 'z'.repeat(room65535)))
    refuses(await field('x.big', 'z'.repeat(room65535 + 1)), 400, 'M_PROFILE_TOO_LARGE')
  })

  it('S51: names, avatars, passwords and device ids have their lengths', async () => {
    const profile = (name: string, value: string) => put(`${V3}/profile/${e(alice.userId)}/${name}`, { [name]: value })
    const big = await alice.request('DELETE', `${V3}/profile/${e(alice.userId)}/x.big`)
    accepts(big)
    accepts(await profile('displayname', 'd'.repeat(256)))
    assert.equal((await profile('displayname', 'd'.repeat(257))).status, 400)
    accepts(await profile('avatar_url', `mxc://${'a'.repeat(994)}`))
    assert.equal((await profile('avatar_url', `mxc://${'a'.repeat(995)}`)).status, 400)

    const login = (more: object) =>
      post(`${V3}/login`, {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: 'alice' },
        password: 'sesame',
        ...more,
      })
    accepts(await login({ device_id: 'D'.repeat(255) }))
    assert.equal((await login({ device_id: 'D'.repeat(513) })).status, 400)
    const named = await login({ initial_device_display_name: 'n'.repeat(100) })
    accepts(named)
    const device = `${V3}/devices/${e(named.body.device_id)}`
    accepts(await put(device, { display_name: 'n'.repeat(100) }))
    assert.equal((await put(device, { display_name: 'n'.repeat(101) })).status, 400)

    const register = (username: string, password: string) =>
      post(`${V3}/register`, { username, password, auth: { type: 'm.login.dummy' } })
    accepts(await register('long-password', 'p'.repeat(512)))
    assert.equal((await register('longer-password', 'p'.repeat(513))).status, 400)
  })

  it('a room version has at most 32 characters and is known', async () => {
    for (const version of ['12', '1']) accepts(await post(`${V3}/createRoom`, { room_version: version }))
    for (const version of ['v'.repeat(32), 'v'.repeat(33), '', '0', '13']) {
      refuses(await post(`${V3}/createRoom`, { room_version: version }), 400, 'M_UNSUPPORTED_ROOM_VERSION')
    }
  })

  it('pages have at most 1,000 events, more is cut to that', async () => {
    const busy = await alice.createRoom()
    for (let i = 0; i < 1010; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => alice.send(busy, `${i + j}`)))
    }
    for (const limit of [1000, 1001, 9_007_199_254_740_991]) {
      const page = await alice.get(room(busy, 'messages'), { dir: 'b', limit })
      assert.equal(page.chunk.length, 1000)
      assert.ok(page.end)
    }
  })

  it('a body has at most 1 MiB', async () => {
    const padded = (bytes: number) => `{}${' '.repeat(bytes - 2)}`
    accepts(await send(padded(BODY_BYTES_MAX)))
    refuses(await send(padded(BODY_BYTES_MAX + 1)), 413, 'M_TOO_LARGE')
  })

  it('a body with keys has at most 10 MiB', async () => {
    const padded = (body: object, bytes: number) => JSON.stringify(body).padEnd(bytes)
    const { version } = await alice.post(`${V3}/room_keys/version`, { algorithm: 'a', auth_data: {} })
    const bodies: [method: string, path: string, body: object][] = [
      ['POST', 'keys/upload', {}],
      ['POST', 'keys/query', { device_keys: {} }],
      ['POST', 'keys/claim', { one_time_keys: {} }],
      ['POST', 'keys/signatures/upload', {}],
      ['PUT', `room_keys/keys?version=${version}`, { rooms: {} }],
      ['PUT', `room_keys/keys/${e(roomId)}?version=${version}`, { sessions: {} }],
    ]
    for (const [method, path, body] of bodies) {
      const send = (bytes: number) => alice.request(method, `${V3}/${path}`, { raw: padded(body, bytes) })
      accepts(await send(KEYS_BODY_BYTES_MAX))
      refuses(await send(KEYS_BODY_BYTES_MAX + 1), 413, 'M_TOO_LARGE')
    }
  })

  it('what is no JSON, of the wrong shape, missing or unknown has its own error', async () => {
    const path = room(roomId, 'invite')
    for (const body of ['', '{', '{"a":}', 'x']) refuses(await send(body), 400, 'M_NOT_JSON')
    refuses(await post(path, '[]'), 400, 'M_BAD_JSON')
    refuses(await post(path, { user_id: 5 }), 400, 'M_BAD_JSON')
    refuses(await post(path, {}), 400, 'M_MISSING_PARAM')
    refuses(await alice.request('GET', `${V3}/no/such/thing`), 404, 'M_UNRECOGNIZED')
    refuses(await alice.request('DELETE', `${V3}/sync`), 405, 'M_UNRECOGNIZED')
    refuses(await alice.request('GET', `${V3}/sync`, { query: { timeout: '1e3' } }), 400, 'M_INVALID_PARAM')
    refuses(await new Api(hearth.url).request('GET', `${V3}/sync`), 401, 'M_MISSING_TOKEN')
  })
})

describe('rate limits', () => {
  it('refuse with 429 and say when to come again', async () => {
    await using hearth = await Hearth.start({
      config: { rate_limits: { message: { per_second: 0.5, burst: 3 }, registration: { per_second: 1, burst: 2 } } },
    })
    const alice = await new Api(hearth.url).register('alice')
    const roomId = await alice.createRoom()
    for (let i = 0; i < 3; i++) await alice.send(roomId, `${i}`)
    const over = await alice.request('PUT', room(roomId, 'send', 'm.room.message', 'over'), { body: {} })
    assert.deepEqual([over.status, over.body.errcode], [429, 'M_LIMIT_EXCEEDED'])
    const seconds = Number(over.headers.get('retry-after'))
    assert.ok(seconds >= 1 && seconds <= 2, `Retry-After: ${seconds}`)
    assert.ok(over.body.retry_after_ms > 0 && over.body.retry_after_ms <= 2_000)
    // Nothing of it was stored: the same transaction id makes its event later.
    assert.equal((await alice.history(roomId)).filter((event) => event.type === 'm.room.message').length, 3)
  })
})
