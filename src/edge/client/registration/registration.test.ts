/** Registration over real HTTP. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { NONCE_LIFETIME_MS } from '#services/accounts/shared-secret-registration.ts'
import { UIA_SESSION_LIFETIME_MS } from '#services/accounts/uia/uia.ts'
import { type Hearth, type Reply, startHearth } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

const DUMMY = { type: 'm.login.dummy' }
const SECRET = 'the secret of the scripts'
const ADMIN_PATH = '/_synapse/admin/v1/register'

function assertError(reply: Reply, status: number, errcode: string): void {
  assert.deepEqual([reply.status, reply.body?.errcode], [status, errcode], reply.text)
}

describe('registration', () => {
  let hearth: Hearth

  before(async () => {
    hearth = await startHearth({ registration: { enabled: true, guests: true, shared_secret: SECRET } })
  })
  after(() => hearth[Symbol.asyncDispose]())

  const register = (body: object, query = '') => hearth.request('POST', `/register${query}`, { body })

  it('asks for authentication first, without an error code, then makes the account', async () => {
    const wish = { username: 'anna', password: 'secret', initial_device_display_name: 'Phone', device_id: 'D1' }
    const challenge = await register(wish)
    assert.equal(challenge.status, 401)
    assertMatchesSpec('register', 401, challenge.body)
    assert.equal('errcode' in challenge.body, false)
    assert.deepEqual(challenge.body.flows, [{ stages: ['m.login.dummy'] }])
    const reply = await register({ ...wish, auth: { ...DUMMY, session: challenge.body.session } })
    assertMatchesSpec('register', reply.status, reply.body)
    assert.deepEqual([reply.status, reply.body.user_id, reply.body.device_id], [200, '@anna:hearth.example', 'D1'])
    const owner = await hearth.request('GET', '/account/whoami', { token: reply.body.access_token })
    assert.equal(owner.body.user_id, '@anna:hearth.example')
  })

  it('a client that knows the flow needs one request', async () => {
    assert.equal((await register({ username: 'bert', password: 'x', auth: DUMMY })).status, 200)
  })

  it('the flows can be asked for with an empty body, and the session used with the real one', async () => {
    const challenge = await register({})
    const auth = { ...DUMMY, session: challenge.body.session }
    assert.equal((await register({ username: 'cora', password: 'x', auth })).status, 200)
  })

  it('a session that was used for one request is not good for another', async () => {
    const challenge = await register({})
    const auth = { ...DUMMY, session: challenge.body.session }
    assert.equal((await register({ username: 'dora', password: 'x', auth })).status, 200)
    const second = await register({ username: 'dora2', password: 'x', auth })
    assertError(second, 401, 'M_FORBIDDEN')
    assert.notEqual(second.body.session, challenge.body.session)
  })

  it('a session is good for one account', async () => {
    const { session } = (await register({ password: 'x' })).body
    const wish = { password: 'x', auth: { ...DUMMY, session } }
    assert.equal((await register(wish)).status, 200)
    assertError(await register(wish), 401, 'M_FORBIDDEN')
    const { session: other } = (await register({ password: 'x' })).body
    const crowd = await Promise.all(
      [1, 2, 3, 4].map(() => register({ password: 'x', auth: { ...DUMMY, session: other } })),
    )
    assert.deepEqual(crowd.map(({ status }) => status).sort(), [200, 401, 401, 401])
  })

  it('a session expires', async () => {
    const challenge = await register({})
    hearth.advance(UIA_SESSION_LIFETIME_MS)
    const auth = { ...DUMMY, session: challenge.body.session }
    assertError(await register({ username: 'late', password: 'x', auth }), 401, 'M_FORBIDDEN')
  })

  it('without a name the server chooses one', async () => {
    const reply = await register({ password: 'x', auth: DUMMY })
    assert.match(reply.body.user_id, /^@u[a-z2-7]{16}:hearth\.example$/)
  })

  it('inhibit_login makes an account without a session', async () => {
    const reply = await register({ username: 'emil', password: 'x', inhibit_login: true, auth: DUMMY })
    assertMatchesSpec('register', reply.status, reply.body)
    assert.deepEqual(Object.keys(reply.body).sort(), ['home_server', 'user_id'])
  })

  it('refresh tokens are given to clients that want them', async () => {
    const reply = await register({ username: 'fritz', password: 'x', refresh_token: true, auth: DUMMY })
    assertMatchesSpec('register', reply.status, reply.body)
    assert.equal(typeof reply.body.refresh_token, 'string')
  })

  for (const username of ['', 'ünal', 'a b', 'x:y', '@x:hearth.example', 'a\u0000b', '\u212Aelvin', 'x'.repeat(240)]) {
    it(`refuses the name ${JSON.stringify(username.slice(0, 20))} before any authentication`, async () => {
      assertError(await register({ username, password: 'x' }), 400, 'M_INVALID_USERNAME')
      const path = `/register/available?username=${encodeURIComponent(username)}`
      const reply = await hearth.request('GET', path)
      assert.equal(reply.status, 400, reply.text)
    })
  }

  it('a user id has at most 255 bytes', async () => {
    const longest = 'y'.repeat(255 - '@:hearth.example'.length)
    assert.equal((await register({ username: longest, password: 'x', auth: DUMMY })).status, 200)
    assertError(await register({ username: `${longest}y`, password: 'x', auth: DUMMY }), 400, 'M_INVALID_USERNAME')
  })

  it('S22: a taken name stays taken, in any case and after deactivation', async () => {
    await hearth.services.accounts.createAccount({ localpart: 'taken', password: 'x', admin: false })
    assertError(await register({ username: 'taken', password: 'x' }), 400, 'M_USER_IN_USE')
    assertError(await register({ username: 'TAKEN', password: 'x', auth: DUMMY }), 400, 'M_USER_IN_USE')
    const path = '/register/available?username=taken'
    assertError(await hearth.request('GET', path), 400, 'M_USER_IN_USE')
    const consent = { found: new Map(), async spend() {} }
    await hearth.services.accounts.deactivate('@taken:hearth.example' as never, { erase: true }, consent)
    assertError(await register({ username: 'taken', password: 'x', auth: DUMMY }), 400, 'M_USER_IN_USE')
  })

  it('S22: of 100 registrations of one name at once exactly one succeeds', async () => {
    const wish = { username: 'wanted', password: 'x', auth: DUMMY }
    const replies = await Promise.all(Array.from({ length: 100 }, () => register(wish)))
    assert.equal(replies.filter(({ status }) => status === 200).length, 1)
    for (const reply of replies.filter(({ status }) => status !== 200)) assertError(reply, 400, 'M_USER_IN_USE')
  })

  it('availability', async () => {
    const reply = await hearth.request('GET', '/register/available?username=free')
    assertMatchesSpec('checkUsernameAvailability', reply.status, reply.body)
    assert.deepEqual(reply.body, { available: true })
    assertError(await hearth.request('GET', '/register/available'), 400, 'M_MISSING_PARAM')
  })

  it('S51: passwords have 1 to 512 bytes', async () => {
    const wish = { username: 'gerd', auth: DUMMY }
    assertError(await register({ ...wish }), 400, 'M_MISSING_PARAM')
    assertError(await register({ ...wish, password: '' }), 400, 'M_WEAK_PASSWORD')
    assertError(await register({ ...wish, password: 'x'.repeat(513) }), 400, 'M_INVALID_PARAM')
    assert.equal((await register({ ...wish, password: 'x'.repeat(512) })).status, 200)
  })

  it('a stage that is no part of a flow is refused with 401', async () => {
    const reply = await register({ username: 'hans', password: 'x', auth: { type: 'm.login.password' } })
    assertError(reply, 401, 'M_FORBIDDEN')
    assertMatchesSpec('register', 401, reply.body)
  })

  it('auth of a wrong shape is the client’s mistake', async () => {
    for (const auth of [5, [], 'x', { type: 5 }, { session: 5 }, { type: 'm.login.dummy', session: {} }]) {
      assertError(await register({ username: 'ida', password: 'x', auth }), 400, 'M_BAD_JSON')
    }
  })

  it('guests get a name and a device whatever they ask for, and are told apart', async () => {
    const body = { device_id: 'MINE', username: 'alice', password: 'x' }
    const reply = await register(body, '?kind=guest')
    assertMatchesSpec('register', reply.status, reply.body)
    assert.match(reply.body.user_id, /^@guest-/)
    assert.notEqual(reply.body.device_id, 'MINE')
    const owner = await hearth.request('GET', '/account/whoami', { token: reply.body.access_token })
    assert.equal(owner.body.is_guest, true)
    const rules = await hearth.request('GET', '/pushrules/', { token: reply.body.access_token })
    assertError(rules, 403, 'M_GUEST_ACCESS_FORBIDDEN')
    assertError(await register({}, '?kind=other'), 400, 'M_INVALID_PARAM')
  })

  it('a guest becomes an ordinary user of the same name', async () => {
    const { body: guest } = await register({}, '?kind=guest')
    const username = guest.user_id.slice(1, guest.user_id.indexOf(':'))
    const wish = { password: 'x', auth: DUMMY, guest_access_token: guest.access_token }
    assertError(await register({ ...wish, username: 'other' }), 403, 'M_FORBIDDEN')
    assertError(await register({ ...wish, username, guest_access_token: 'unknown' }), 401, 'M_UNKNOWN_TOKEN')
    assertError(await register({ username, password: 'x', auth: DUMMY }), 400, 'M_USER_IN_USE')
    const reply = await register({ ...wish, username })
    assertMatchesSpec('register', reply.status, reply.body)
    assert.equal(reply.body.user_id, guest.user_id)
    const caller = await hearth.services.sessions.authenticate(reply.body.access_token, { ip: '192.0.2.1' })
    assert.equal(caller.isGuest, false)
    assertError(await hearth.request('GET', '/account/whoami', { token: guest.access_token }), 401, 'M_UNKNOWN_TOKEN')
    const again = await register({ ...wish, username, guest_access_token: reply.body.access_token })
    assertError(again, 403, 'M_FORBIDDEN')
  })

  describe('with the shared secret', () => {
    const nonce = async () => (await hearth.request('GET', ADMIN_PATH)).body.nonce as string
    const macOf = (...parts: string[]) => createHmac('sha1', SECRET).update(parts.join('\0')).digest('hex')
    const post = (body: object) => hearth.request('POST', ADMIN_PATH, { body })

    it('makes users and administrators', async () => {
      for (const admin of [false, true]) {
        const username = admin ? 'boss' : 'worker'
        const given = await nonce()
        const mac = macOf(given, username, 'pass', admin ? 'admin' : 'notadmin')
        const reply = await post({ nonce: given, username, password: 'pass', admin, mac })
        assert.equal(reply.status, 200, reply.text)
        assert.equal(reply.body.user_id, `@${username}:hearth.example`)
        const caller = await hearth.services.sessions.authenticate(reply.body.access_token, { ip: '192.0.2.1' })
        assert.equal(caller.isAdmin, admin)
      }
    })

    it('a wrong mac, another flag than was signed, or a used nonce are refused', async () => {
      const wish = { username: 'eve', password: 'pass' }
      const first = await nonce()
      assertError(await post({ ...wish, nonce: first, mac: 'ab' }), 403, 'M_FORBIDDEN')
      const right = { ...wish, nonce: first, mac: macOf(first, 'eve', 'pass', 'notadmin') }
      assert.equal((await post(right)).status, 200)
      assertError(await post(right), 400, 'M_INVALID_PARAM')
      const [random, , seal] = first.split('.')
      for (const forged of [`${random}.${hearth.services.clock() + 1_000}.${seal}`, `${random}.${seal}`, 'x', '']) {
        const mac = macOf(forged, 'forger', 'pass', 'notadmin')
        assertError(await post({ nonce: forged, username: 'forger', password: 'pass', mac }), 400, 'M_INVALID_PARAM')
      }
      const second = await nonce()
      const mac = macOf(second, 'eve', 'pass', 'notadmin')
      assertError(await post({ ...wish, nonce: second, mac, admin: true }), 403, 'M_FORBIDDEN')
    })

    it('a nonce is good however many others are asked for', async () => {
      const given = await nonce()
      for (let i = 0; i < 1_500; i++) hearth.services.sharedSecretRegistration.nonce()
      const mac = macOf(given, 'patient', 'pass', 'notadmin')
      assert.equal((await post({ nonce: given, username: 'patient', password: 'pass', mac })).status, 200)
    })

    it('a nonce lives for a minute', async () => {
      const given = await nonce()
      hearth.advance(NONCE_LIFETIME_MS)
      const mac = macOf(given, 'slow', 'pass', 'notadmin')
      assertError(await post({ nonce: given, username: 'slow', password: 'pass', mac }), 400, 'M_INVALID_PARAM')
    })
  })
})

describe('registration that is not wanted', () => {
  it('is refused in each form', async () => {
    await using hearth = await startHearth({ registration: { enabled: false, guests: false } })
    const body = { username: 'x', password: 'x', auth: DUMMY }
    assertError(await hearth.request('POST', '/register', { body }), 403, 'M_FORBIDDEN')
    assertError(await hearth.request('POST', '/register?kind=guest', { body: {} }), 403, 'M_FORBIDDEN')
    assertError(await hearth.request('GET', '/register/available?username=x'), 403, 'M_FORBIDDEN')
    assertError(await hearth.request('GET', ADMIN_PATH), 404, 'M_UNRECOGNIZED')
  })
})
