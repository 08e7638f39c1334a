/** Server-side key backups over the client API. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Hearth, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

let hearth: Hearth
before(async () => {
  hearth = await startHearth()
})
after(() => hearth[Symbol.asyncDispose]())

let users = 0
const newUser = () => hearth.user(`user${users++}`)

const ALGORITHM = 'm.megolm_backup.v1.curve25519-aes-sha2'
const BACKUP = { algorithm: ALGORITHM, auth_data: { public_key: 'abc' } }
const ROOM = '!room:hearth.example'
const OTHER = '!other:hearth.example'

async function call(operation: string, method: string, path: string, user: TestUser, body?: unknown) {
  const reply = await hearth.request(method, `/room_keys${path}`, {
    token: user.token,
    ...(body !== undefined && { body }),
  })
  assertMatchesSpec(operation, reply.status, reply.body)
  return reply
}
const create = async (user: TestUser, body: unknown = BACKUP) =>
  (await call('postRoomKeysVersion', 'POST', '/version', user, body)).body.version as string
const current = async (user: TestUser) => (await call('getRoomKeysVersionCurrent', 'GET', '/version', user)).body
const get = (user: TestUser, version: string) => call('getRoomKeysVersion', 'GET', `/version/${version}`, user)
const at = (version: string, ...path: string[]) =>
  `/keys${path.map((part) => `/${encodeURIComponent(part)}`).join('')}?version=${version}`
const put = (user: TestUser, version: string, session: string, data: object, room = ROOM) =>
  call('putRoomKeyBySessionId', 'PUT', at(version, room, session), user, data)
const read = (user: TestUser, version: string, session: string, room = ROOM) =>
  call('getRoomKeyBySessionId', 'GET', at(version, room, session), user)

const data = (ciphertext: string, more: object = {}) => ({
  first_message_index: 5,
  forwarded_count: 2,
  is_verified: false,
  session_data: { ciphertext },
  ...more,
})

describe('versions of a backup', () => {
  it('count up, and the newest that is left is the current one', async () => {
    const alice = await newUser()
    assert.equal((await current(alice)).errcode, 'M_NOT_FOUND')
    const first = await create(alice)
    const second = await create(alice, { ...BACKUP, auth_data: { public_key: 'def' } })
    assert.notEqual(first, second)
    const shown = { algorithm: ALGORITHM, auth_data: { public_key: 'def' }, count: 0, etag: '0', version: second }
    assert.deepEqual(await current(alice), shown)
    assert.deepEqual((await get(alice, first)).body.auth_data, { public_key: 'abc' })
    const remove = (version: string) => call('deleteRoomKeysVersion', 'DELETE', `/version/${version}`, alice)
    assert.equal((await remove(second)).status, 200)
    assert.equal((await current(alice)).version, first)
    assert.equal((await remove(second)).status, 200, 'deleted before')
    for (const unknown of ['99', '0', '01', 'x', '%00x', '-1', '9'.repeat(40)]) {
      assert.equal(
        (await remove(unknown)).body.errcode,
        unknown === '%00x' ? 'M_INVALID_PARAM' : 'M_NOT_FOUND',
        unknown,
      )
    }
    assert.equal((await get(alice, second)).body.errcode, 'M_NOT_FOUND')
    assert.notEqual(await create(alice), second, 'no version is used twice')
  })

  it('are nobody else’s', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const version = await create(alice)
    await put(alice, version, 's', data('a'))
    assert.equal((await get(bob, version)).status, 404)
    assert.equal((await read(bob, version, 's')).status, 404)
    assert.equal((await put(bob, version, 's', data('b'))).body.errcode, 'M_NOT_FOUND')
  })

  it('change their auth_data alone', async () => {
    const alice = await newUser()
    const version = await create(alice)
    const update = async (body: object, to = version) =>
      (await call('putRoomKeysVersion', 'PUT', `/version/${to}`, alice, body)).body.errcode
    assert.equal(await update({ ...BACKUP, algorithm: 'other' }), 'M_INVALID_PARAM')
    assert.equal(await update({ ...BACKUP, version: '7' }), 'M_INVALID_PARAM')
    assert.equal(await update({ ...BACKUP, version: '7' }, '7'), 'M_NOT_FOUND')
    assert.deepEqual((await current(alice)).auth_data, BACKUP.auth_data)
    assert.equal(await update({ ...BACKUP, auth_data: { public_key: 'new' }, version }), undefined)
    assert.equal(await update({ ...BACKUP, auth_data: { public_key: 'newer' } }), undefined)
    assert.deepEqual((await current(alice)).auth_data, { public_key: 'newer' })
  })
})

describe('keys in a backup', () => {
  it('come back as they were stored: one, those of a room, or all', async () => {
    const alice = await newUser()
    const version = await create(alice)
    const one = await put(alice, version, 'a/b?', data('1'))
    assert.deepEqual(one.body, { count: 1, etag: '1' })
    const ofRoom = { sessions: { s2: data('2'), __proto__s: data('3') } }
    const two = await call('putRoomKeysByRoomId', 'PUT', at(version, OTHER), alice, ofRoom)
    assert.deepEqual(two.body, { count: 3, etag: '2' })
    const all = { rooms: { [ROOM]: { sessions: { s4: data('4') } }, [OTHER]: { sessions: { s5: data('5') } } } }
    const three = await call('putRoomKeys', 'PUT', at(version), alice, all)
    assert.deepEqual(three.body, { count: 5, etag: '3' })

    assert.deepEqual((await read(alice, version, 'a/b?')).body, data('1'))
    assert.equal((await read(alice, version, 'none')).body.errcode, 'M_NOT_FOUND')
    const room = await call('getRoomKeysByRoomId', 'GET', at(version, OTHER), alice)
    assert.deepEqual(room.body, { sessions: { ...ofRoom.sessions, s5: data('5') } })
    const empty = await call('getRoomKeysByRoomId', 'GET', at(version, '!none:x'), alice)
    assert.deepEqual(empty.body, { sessions: {} })
    const everything = await call('getRoomKeys', 'GET', at(version), alice)
    assert.deepEqual(everything.body, {
      rooms: { [ROOM]: { sessions: { 'a/b?': data('1'), s4: data('4') } }, [OTHER]: room.body },
    })
    const { count, etag } = await current(alice)
    assert.deepEqual({ count, etag }, three.body)
  })

  it('are replaced by better ones only', async () => {
    const alice = await newUser()
    const version = await create(alice)
    const steps: [kept: boolean, data: object][] = [
      [true, data('first')],
      [false, data('same again')],
      [false, data('later', { first_message_index: 6 })],
      [false, data('later, forwarded less', { first_message_index: 6, forwarded_count: 0 })],
      [false, data('forwarded more', { forwarded_count: 3 })],
      [true, data('forwarded less', { forwarded_count: 1 })],
      [true, data('earlier', { first_message_index: 4, forwarded_count: 9 })],
      [true, data('verified', { is_verified: true, first_message_index: 90, forwarded_count: 9 })],
      [false, data('unverified', { first_message_index: 0, forwarded_count: 0 })],
    ]
    let etag = 0
    let best: object = {}
    for (const [kept, next] of steps) {
      if (kept) [etag, best] = [etag + 1, next]
      const { body } = await put(alice, version, 's', next)
      assert.deepEqual(body, { count: 1, etag: String(etag) }, JSON.stringify(next))
      assert.deepEqual((await read(alice, version, 's')).body, best)
    }
  })

  it('are counted right when many come at once', async () => {
    const alice = await newUser()
    const version = await create(alice)
    await Promise.all(Array.from({ length: 30 }, (_, i) => put(alice, version, `s${i % 10}`, data(String(i)))))
    assert.equal((await current(alice)).count, 10)
  })

  it('go into the current version, and no other', async () => {
    const alice = await newUser()
    assert.equal((await put(alice, '1', 's', data('a'))).body.errcode, 'M_NOT_FOUND')
    const old = await create(alice)
    await put(alice, old, 's', data('a'))
    const version = await create(alice)
    for (const wrong of [old, '77', 'x']) {
      const { status, body } = await put(alice, wrong, 's', data('b', { is_verified: true }))
      assert.deepEqual([status, body.errcode, body.current_version], [403, 'M_WRONG_ROOM_KEYS_VERSION', version])
    }
    assert.deepEqual((await read(alice, old, 's')).body, data('a'), 'the old ones can be read')
    assert.equal((await read(alice, version, 's')).status, 404)
  })

  it('are deleted one by one, by room, all together, or with the version', async () => {
    const alice = await newUser()
    const version = await create(alice)
    for (const session of ['a', 'b', 'c']) {
      await put(alice, version, session, data('x'))
      await put(alice, version, session, data('x'), OTHER)
    }
    const remove = async (operation: string, ...path: string[]) =>
      (await call(operation, 'DELETE', at(version, ...path), alice)).body
    assert.deepEqual(await remove('deleteRoomKeyBySessionId', ROOM, 'a'), { count: 5, etag: '7' })
    assert.deepEqual(await remove('deleteRoomKeyBySessionId', ROOM, 'a'), { count: 5, etag: '7' }, 'gone already')
    assert.deepEqual(await remove('deleteRoomKeysByRoomId', ROOM), { count: 3, etag: '8' })
    assert.deepEqual(await remove('deleteRoomKeys'), { count: 0, etag: '9' })
    await put(alice, version, 'a', data('x'))
    await call('deleteRoomKeysVersion', 'DELETE', `/version/${version}`, alice)
    assert.equal((await call('getRoomKeys', 'GET', at(version), alice)).status, 404)
    assert.equal((await call('deleteRoomKeys', 'DELETE', at(version), alice)).status, 404)
  })

  it('of a wrong form are refused', async () => {
    const alice = await newUser()
    const version = await create(alice)
    const { session_data: _none, ...incomplete } = data('x')
    const refusals: [errcode: string, path: string, body: unknown][] = [
      ['M_MISSING_PARAM', at(version, ROOM, 's'), incomplete],
      ['M_BAD_JSON', at(version, ROOM, 's'), data('x', { first_message_index: -1 })],
      ['M_BAD_JSON', at(version, ROOM, 's'), data('x', { is_verified: 'yes' })],
      ['M_TOO_LARGE', at(version, ROOM, 's'), data('x'.repeat(70_000))],
      ['M_MISSING_PARAM', `/keys/${ROOM}/s`, data('x')],
      ['M_INVALID_PARAM', at(version, 'room', 's'), data('x')],
      ['M_INVALID_PARAM', at(version), { rooms: { room: { sessions: { s: data('x') } } } }],
      ['M_INVALID_PARAM', at(version), { rooms: { [ROOM]: { sessions: { '\0': data('x') } } } }],
      ['M_MISSING_PARAM', at(version), { rooms: { [ROOM]: {} } }],
    ]
    for (const [errcode, path, body] of refusals) {
      const reply = await hearth.request('PUT', `/room_keys${path}`, { token: alice.token, body })
      assert.equal(reply.body.errcode, errcode, `${path} ${reply.text}`)
    }
    assert.equal((await current(alice)).count, 0)
  })

  it('end with the account', async () => {
    const alice = await newUser()
    const version = await create(alice)
    await put(alice, version, 's', data('a'))
    const { userNid } = await hearth.services.sessions.authenticate(alice.token, { ip: '127.0.0.1' })
    const identifier = { type: 'm.id.user', user: alice.userId }
    const auth = { type: 'm.login.password', identifier, password: alice.password }
    const ended = await hearth.request('POST', '/account/deactivate', { token: alice.token, body: { auth } })
    assert.equal(ended.status, 200)
    await assert.rejects(hearth.services.keyBackup.current(userNid), { errcode: 'M_NOT_FOUND' })
    await assert.rejects(hearth.services.keyBackup.keys(userNid, version, {}), { errcode: 'M_NOT_FOUND' })
  })

  it('may be more than a megabyte at once', async () => {
    const alice = await newUser()
    const version = await create(alice)
    const sessions = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`s${i}`, data('x'.repeat(700))]))
    const { status, body } = await call('putRoomKeys', 'PUT', at(version), alice, { rooms: { [ROOM]: { sessions } } })
    assert.deepEqual([status, body.count], [200, 2_000])
    const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`s${i}`, data('')]))
    const refused = await call('putRoomKeys', 'PUT', at(version), alice, { rooms: { [ROOM]: { sessions: many } } })
    assert.deepEqual([refused.status, refused.body.errcode], [413, 'M_TOO_LARGE'])
  })
})
