/** OpenID tokens: a user shows one to somebody, who asks the server whose it is. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Hearth, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

let hearth: Hearth
let alice: TestUser
let bob: TestUser
before(async () => {
  hearth = await startHearth({ listeners: [{ host: '127.0.0.1', port: 0, resources: ['client', 'federation'] }] })
  alice = await hearth.user('alice')
  bob = await hearth.user('bob')
})
after(() => hearth[Symbol.asyncDispose]())

const request = (user: TestUser, of = user) =>
  hearth.request('POST', `/user/${of.userId}/openid/request_token`, { token: user.token, body: {} })
const exchange = async (token: string) => {
  const { status, body } = await hearth.request(
    'GET',
    `/_matrix/federation/v1/openid/userinfo?access_token=${encodeURIComponent(token)}`,
  )
  assertMatchesSpec('exchangeOpenIdToken', status, body)
  return { status, body }
}

describe('OpenID tokens', () => {
  it('tell who the user is, and nothing else', async () => {
    const { status, body } = await request(alice)
    assert.equal(status, 200)
    assertMatchesSpec('requestOpenIdToken', status, body)
    assert.equal(body.matrix_server_name, 'hearth.example')
    assert.equal(body.token_type, 'Bearer')
    assert.deepEqual(await exchange(body.access_token), { status: 200, body: { sub: alice.userId } })
    const asAccessToken = await hearth.request('GET', '/account/whoami', { token: body.access_token })
    assert.equal(asAccessToken.status, 401)
  })

  it('are given for oneself alone', async () => {
    assert.equal((await request(bob, alice)).body.errcode, 'M_FORBIDDEN')
  })

  it('are good for the time that was told', async () => {
    const { body } = await request(alice)
    hearth.advance(body.expires_in * 1_000 - 1)
    assert.equal((await exchange(body.access_token)).status, 200)
    hearth.advance(1)
    const { status, body: error } = await exchange(body.access_token)
    assert.deepEqual([status, error.errcode], [401, 'M_UNKNOWN_TOKEN'])
  })

  it('are refused where nobody issued them, and as access tokens', async () => {
    for (const token of ['', 'hso_x', alice.token]) {
      const { status, body } = await exchange(token)
      assert.deepEqual([status, body.errcode], [401, 'M_UNKNOWN_TOKEN'])
    }
  })

  it('end with the account', async () => {
    const carol = await hearth.user('carol')
    const { body } = await request(carol)
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'carol' },
      password: carol.password,
    }
    const gone = await hearth.request('POST', '/account/deactivate', { token: carol.token, body: { auth } })
    assert.equal(gone.status, 200)
    assert.equal((await exchange(body.access_token)).status, 401)
  })
})
