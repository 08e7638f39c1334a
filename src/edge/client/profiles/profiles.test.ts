/** Profiles over real HTTP. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { type Hearth, type Reply, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

function assertError(reply: Reply, status: number, errcode: string): void {
  assert.deepEqual([reply.status, reply.body?.errcode], [status, errcode], reply.text)
}

let hearth: Hearth
let user: TestUser
const propagated: string[] = []

before(async () => {
  hearth = await startHearth()
  hearth.services.profiles.propagateBy({
    async propagate(userId) {
      propagated.push(userId)
    },
  })
  user = await hearth.user('alice')
})
after(() => hearth[Symbol.asyncDispose]())

const path = (field: string) => `/profile/${user.userId}/${encodeURIComponent(field)}`
const set = (field: string, value: unknown, token = user.token) =>
  hearth.request('PUT', path(field), { token, body: { [field]: value } })
const get = (field: string) => hearth.request('GET', path(field))

it('fields are set, read and deleted', async () => {
  for (const [field, value] of [
    ['displayname', 'Alice 🙂'],
    ['avatar_url', 'mxc://hearth.example/abc'],
    ['m.tz', 'Europe/London'],
    ['org.example.object', { a: [1.5, null, { b: '\u0000' }] }],
    ['org.example.nothing', null],
  ] as const) {
    const reply = await set(field, value)
    assertMatchesSpec('setProfileField', reply.status, reply.body)
    const shown = await get(field)
    assertMatchesSpec('getProfileField', shown.status, shown.body)
    assert.deepEqual(shown.body, { [field]: value })
  }
  const all = await hearth.request('GET', `/profile/${user.userId}`)
  assertMatchesSpec('getUserProfile', all.status, all.body)
  assert.equal(Object.keys(all.body).length, 5)
  const deleted = await hearth.request('DELETE', path('m.tz'), { token: user.token })
  assertMatchesSpec('deleteProfileField', deleted.status, deleted.body)
  assertError(await get('m.tz'), 404, 'M_NOT_FOUND')
  assert.equal((await hearth.request('DELETE', path('m.tz'), { token: user.token })).status, 200)
})

it('changes of name and avatar are carried into rooms, others and repetitions are not', async () => {
  await set('displayname', 'one')
  propagated.length = 0
  await set('displayname', 'two')
  await set('displayname', 'two')
  await set('avatar_url', 'mxc://hearth.example/new')
  await set('org.example.x', 1)
  await hearth.request('DELETE', path('displayname'), { token: user.token })
  assert.deepEqual(propagated, [user.userId, user.userId, user.userId])
})

it('an empty name or avatar is none', async () => {
  await set('displayname', 'x')
  assert.equal((await set('displayname', '')).status, 200)
  assertError(await get('displayname'), 404, 'M_NOT_FOUND')
})

it('S51: names have at most 256 characters, avatars 1,000', async () => {
  assert.equal((await set('displayname', 'x'.repeat(256))).status, 200)
  assertError(await set('displayname', 'x'.repeat(257)), 400, 'M_INVALID_PARAM')
  const avatar = (length: number) => 'mxc://h/'.padEnd(length, 'a')
  assert.equal((await set('avatar_url', avatar(1_000))).status, 200)
  assertError(await set('avatar_url', avatar(1_001)), 400, 'M_INVALID_PARAM')
})

it('an avatar may be any text', async () => {
  for (const value of ['https://example.org/x.png', 'x', '']) {
    assert.equal((await set('avatar_url', value)).status, 200)
    const shown = await get('avatar_url')
    assert.equal(shown.status === 404 ? '' : shown.body.avatar_url, value)
  }
})

it('field names have at most 255 bytes and the grammar of the specification', async () => {
  const name = (length: number) => 'a.'.padEnd(length, 'b')
  assert.equal((await set(name(255), 1)).status, 200)
  assertError(await set(name(256), 1), 400, 'M_KEY_TOO_LARGE')
  for (const bad of ['name', 'Displayname', '__proto__', 'constructor', 'a.B', 'a..b', '.a', 'm.t/z', 'a.\u0000']) {
    assertError(await set(bad, 1), 400, 'M_INVALID_PARAM')
    assertError(await get(bad), 400, 'M_INVALID_PARAM')
  }
})

it('a profile stays under 65,536 bytes', async () => {
  const big = await hearth.user('big')
  const field = 'org.example.big'
  const put = (text: string) =>
    hearth.request('PUT', `/profile/${big.userId}/${field}`, { token: big.token, body: { [field]: text } })
  const room = 65_536 - JSON.stringify({ displayname: 'big', [field]: '' }).length
  assertError(await put('x'.repeat(room)), 400, 'M_PROFILE_TOO_LARGE')
  assert.equal((await put('x'.repeat(room - 1))).status, 200)
})

it('values that make no sense are refused', async () => {
  assertError(await set('displayname', 5), 400, 'M_BAD_JSON')
  assertError(await set('displayname', null), 400, 'M_BAD_JSON')
  assertError(await set('avatar_url', 5), 400, 'M_BAD_JSON')
  assertError(await set('displayname', 'a\u0000b'), 400, 'M_INVALID_PARAM')
  const { token } = user
  const other = { token, body: { other: 'x' } }
  assertError(await hearth.request('PUT', path('displayname'), other), 400, 'M_MISSING_PARAM')
  assertError(await hearth.request('PUT', path('displayname'), { token, body: [] }), 400, 'M_BAD_JSON')
  assertError(await hearth.request('PUT', path('displayname'), { token, body: '{' }), 400, 'M_NOT_JSON')
})

it('only one’s own profile can be changed, guests only their name', async () => {
  const bob = await hearth.user('bob')
  assertError(await set('displayname', 'x', bob.token), 403, 'M_FORBIDDEN')
  assertError(await hearth.request('DELETE', path('displayname'), { token: bob.token }), 403, 'M_FORBIDDEN')
  const guest = (await hearth.request('POST', '/register?kind=guest', { body: {} })).body
  const put = (field: string, value: string) =>
    hearth.request('PUT', `/profile/${guest.user_id}/${field}`, {
      token: guest.access_token,
      body: { [field]: value },
    })
  assert.equal((await put('displayname', 'Guest')).status, 200)
  assertError(await put('m.tz', 'UTC'), 403, 'M_FORBIDDEN')
})

it('users who are not here have no profile', async () => {
  assertError(await hearth.request('GET', '/profile/@nobody:hearth.example'), 404, 'M_NOT_FOUND')
  assertError(await hearth.request('GET', '/profile/@nobody:hearth.example/displayname'), 404, 'M_NOT_FOUND')
  assertError(await hearth.request('GET', '/profile/nobody'), 400, 'M_INVALID_PARAM')
})
