/** Login, refresh and logout over real HTTP. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ACCESS_TOKEN_LIFETIME_MS, type Revocation } from '#services/accounts/sessions.ts'
import { type Hearth, type Reply, startHearth } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

const PASSWORD = 'correct horse battery staple'

function assertError(reply: Reply, status: number, errcode: string): void {
  assert.deepEqual([reply.status, reply.body?.errcode], [status, errcode], reply.text)
}

describe('login', () => {
  let hearth: Hearth

  before(async () => {
    hearth = await startHearth()
    await hearth.services.accounts.createAccount({ localpart: 'alice', password: PASSWORD, admin: false })
  })
  after(() => hearth[Symbol.asyncDispose]())

  const login = (more: object = {}) =>
    hearth.request('POST', '/login', {
      body: {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: 'alice' },
        password: PASSWORD,
        ...more,
      },
    })
  const whoAmI = (token: string) => hearth.request('GET', '/account/whoami', { token })

  it('offers the password, and no login token', async () => {
    const reply = await hearth.request('GET', '/login')
    assertMatchesSpec('getLoginFlows', reply.status, reply.body)
    assert.deepEqual(reply.body, { flows: [{ type: 'm.login.password' }] })
  })

  it('gives a token that speaks for the user and a new device', async () => {
    const reply = await login({ initial_device_display_name: 'Phone' })
    assertMatchesSpec('login', reply.status, reply.body)
    assert.equal(reply.body.user_id, '@alice:hearth.example')
    assert.equal('refresh_token' in reply.body, false)
    const { body, status } = await whoAmI(reply.body.access_token)
    assertMatchesSpec('getTokenOwner', status, body)
    assert.deepEqual(body, { user_id: '@alice:hearth.example', device_id: reply.body.device_id, is_guest: false })
  })

  for (const [what, name] of [
    ['a localpart', { identifier: { type: 'm.id.user', user: 'alice' } }],
    ['a user id', { identifier: { type: 'm.id.user', user: '@alice:hearth.example' } }],
    ['the older member user', { identifier: undefined, user: 'alice' }],
    ['another case', { identifier: { type: 'm.id.user', user: '@Alice:hearth.example' } }],
  ] as const) {
    it(`takes ${what}`, async () => {
      const reply = await login(name)
      assert.equal(reply.body.user_id, '@alice:hearth.example', reply.text)
    })
  }

  it('says the same of a wrong password, an unknown user and a user of another server', async () => {
    const replies = [
      await login({ password: 'wrong' }),
      await login({ identifier: { type: 'm.id.user', user: 'nobody' } }),
      await login({ identifier: { type: 'm.id.user', user: '@alice:other.example' } }),
      await login({ identifier: { type: 'm.id.user', user: '@:' } }),
      await login({ identifier: { type: 'm.id.user', user: 'al\u0000ice' } }),
      await login({ password: '' }),
      await login({ password: 'x'.repeat(100_000) }),
    ]
    for (const reply of replies) {
      assertError(reply, 403, 'M_FORBIDDEN')
      assert.equal(reply.body.error, replies[0]?.body.error)
    }
  })

  it('says what is wrong with a request', async () => {
    assertError(await login({ type: 'm.login.token' }), 400, 'M_UNKNOWN')
    assertError(await login({ identifier: { type: 'm.id.thirdparty' } }), 400, 'M_UNKNOWN')
    assertError(await login({ identifier: { type: 'm.id.user' } }), 400, 'M_MISSING_PARAM')
    assertError(await login({ identifier: { type: 'm.id.user', user: 5 } }), 400, 'M_BAD_JSON')
    assertError(await login({ identifier: undefined }), 400, 'M_MISSING_PARAM')
    assertError(await login({ password: undefined }), 400, 'M_MISSING_PARAM')
    assertError(await login({ device_id: '' }), 400, 'M_BAD_JSON')
    assertError(await login({ device_id: 'x\u0000' }), 400, 'M_BAD_JSON')
    assertError(await hearth.request('POST', '/login', { body: '{' }), 400, 'M_NOT_JSON')
    assertError(await hearth.request('POST', '/login', { body: {} }), 400, 'M_MISSING_PARAM')
  })

  it('S51: names of devices have at most 100 characters', async () => {
    assert.equal((await login({ initial_device_display_name: 'é'.repeat(100) })).status, 200)
    assertError(await login({ initial_device_display_name: 'é'.repeat(101) }), 400, 'M_BAD_JSON')
  })

  it('a second login of a device ends its first session and keeps its name', async () => {
    const first = await login({ device_id: 'SAME', initial_device_display_name: 'Phone' })
    assert.equal((await whoAmI(first.body.access_token)).status, 200)
    const second = await login({ device_id: 'SAME', initial_device_display_name: 'Other' })
    assertError(await whoAmI(first.body.access_token), 401, 'M_UNKNOWN_TOKEN')
    const device = await hearth.request('GET', '/devices/SAME', { token: second.body.access_token })
    assert.equal(device.body.display_name, 'Phone')
  })

  it('an unknown token is none', async () => {
    assertError(await whoAmI('hat_nonsense'), 401, 'M_UNKNOWN_TOKEN')
    assertError(await whoAmI('x'.repeat(5_000)), 401, 'M_UNKNOWN_TOKEN')
    assertError(await hearth.request('GET', '/account/whoami'), 401, 'M_MISSING_TOKEN')
  })

  it('logout ends the session at once, deletes the device and tells those who wait', async () => {
    const { body } = await login()
    const { body: other } = await login()
    assert.equal((await whoAmI(body.access_token)).status, 200)
    const told: Revocation[] = []
    const unsubscribe = hearth.services.sessions.onRevoked((revocation) => told.push(revocation))
    const reply = await hearth.request('POST', '/logout', { token: body.access_token })
    assertMatchesSpec('logout', reply.status, reply.body)
    unsubscribe()
    assert.deepEqual(
      told.map(({ deviceIds }) => deviceIds),
      [[body.device_id]],
    )
    assertError(await whoAmI(body.access_token), 401, 'M_UNKNOWN_TOKEN')
    const path = `/devices/${body.device_id}`
    assertError(await hearth.request('GET', path, { token: other.access_token }), 404, 'M_NOT_FOUND')
  })

  it('logout/all ends all sessions of the user and nobody else’s', async () => {
    const bob = await hearth.user('bob')
    const tokens = [await login(), await login()].map(({ body }) => body.access_token)
    const reply = await hearth.request('POST', '/logout/all', { token: tokens[0] })
    assertMatchesSpec('logout_all', reply.status, reply.body)
    for (const token of tokens) assertError(await whoAmI(token), 401, 'M_UNKNOWN_TOKEN')
    assert.equal((await whoAmI(bob.token)).status, 200)
  })

  describe('with refresh tokens', () => {
    const refresh = (refreshToken: string) =>
      hearth.request('POST', '/refresh', { body: { refresh_token: refreshToken } })

    it('the access token expires softly and is refreshed', async () => {
      const { body } = await login({ refresh_token: true })
      assertMatchesSpec('login', 200, body)
      assert.equal(body.expires_in_ms, ACCESS_TOKEN_LIFETIME_MS)
      assert.equal((await whoAmI(body.access_token)).status, 200)
      hearth.advance(ACCESS_TOKEN_LIFETIME_MS)
      const late = await whoAmI(body.access_token)
      assertError(late, 401, 'M_UNKNOWN_TOKEN')
      assert.equal(late.body.soft_logout, true)
      const renewed = await refresh(body.refresh_token)
      assertMatchesSpec('refresh', renewed.status, renewed.body)
      const now = await whoAmI(renewed.body.access_token)
      assert.equal(now.body.device_id, body.device_id)
    })

    it('the old token can be used again until a new one was; then it ends the session', async () => {
      const { body } = await login({ refresh_token: true })
      const lost = await refresh(body.refresh_token)
      const second = await refresh(body.refresh_token)
      assert.equal(second.status, 200)
      assertError(await whoAmI(lost.body.access_token), 401, 'M_UNKNOWN_TOKEN')
      assert.equal((await whoAmI(second.body.access_token)).status, 200)
      assertError(await refresh(body.refresh_token), 401, 'M_UNKNOWN_TOKEN')
      assertError(await whoAmI(second.body.access_token), 401, 'M_UNKNOWN_TOKEN')
      assertError(await refresh(second.body.refresh_token), 401, 'M_UNKNOWN_TOKEN')
    })

    it('using the new refresh token voids the old one too', async () => {
      const { body } = await login({ refresh_token: true })
      const second = await refresh(body.refresh_token)
      assert.equal((await refresh(second.body.refresh_token)).status, 200)
      assertError(await refresh(body.refresh_token), 401, 'M_UNKNOWN_TOKEN')
    })

    it('logout voids the refresh token', async () => {
      const { body } = await login({ refresh_token: true })
      await hearth.request('POST', '/logout', { token: body.access_token })
      assertError(await refresh(body.refresh_token), 401, 'M_UNKNOWN_TOKEN')
    })

    it('nonsense is refused', async () => {
      assertError(await refresh('nonsense'), 401, 'M_UNKNOWN_TOKEN')
      assertError(await refresh(''), 401, 'M_UNKNOWN_TOKEN')
      assertError(await hearth.request('POST', '/refresh', { body: {} }), 400, 'M_MISSING_PARAM')
    })
  })

  it('S26, W5: neither passwords nor tokens stand in the database or the log', async () => {
    const { body } = await login({ refresh_token: true })
    await whoAmI(body.access_token)
    const secrets = [PASSWORD, body.access_token, body.refresh_token]
    const files = readdirSync(hearth.dataDir).map((name) => readFileSync(join(hearth.dataDir, name)))
    assert.ok(files.some((file) => file.includes('@alice:hearth.example')))
    for (const secret of secrets) {
      assert.ok(!files.some((file) => file.includes(secret)))
      assert.ok(!hearth.logged.some((line) => line.includes(secret)))
    }
  })
})

describe('login limits', () => {
  it('failures of one account are limited, and time heals', async () => {
    const lenient = { per_second: 1, burst: 1000 }
    await using hearth = await startHearth({
      rate_limits: {
        login_per_address: lenient,
        login_per_account: lenient,
        login_failed: { per_second: 1, burst: 2 },
      },
    })
    await hearth.services.accounts.createAccount({ localpart: 'alice', password: PASSWORD, admin: false })
    const login = (password: string) =>
      hearth.request('POST', '/login', { body: { type: 'm.login.password', user: 'alice', password } })
    assertError(await login('1'), 403, 'M_FORBIDDEN')
    assertError(await login('2'), 403, 'M_FORBIDDEN')
    const limited = await login(PASSWORD)
    assertError(limited, 429, 'M_LIMIT_EXCEEDED')
    assert.equal(limited.headers.get('retry-after'), '1')
    hearth.advance(1_000)
    assert.equal((await login(PASSWORD)).status, 200)
  })
})
