/** What is subject to user-interactive authentication with a password, and devices, over real HTTP. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { UserId } from '#core/ids.ts'
import { type Hearth, type Reply, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

function assertError(reply: Reply, status: number, errcode: string): void {
  assert.deepEqual([reply.status, reply.body?.errcode], [status, errcode], reply.text)
}

let hearth: Hearth
before(async () => {
  hearth = await startHearth()
})
after(() => hearth[Symbol.asyncDispose]())

let users = 0
const newUser = () => hearth.user(`user${++users}`)
const login = (user: TestUser, password = user.password) =>
  hearth.request('POST', '/login', { body: { type: 'm.login.password', user: user.userId, password } })
const secondDevice = async (user: TestUser) => (await login(user)).body as { access_token: string; device_id: string }
const whoAmI = (token: string) => hearth.request('GET', '/account/whoami', { token })
const passwordAuth = (user: TestUser, session?: string) => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user: user.userId },
  password: user.password,
  ...(session !== undefined && { session }),
})

describe('devices', () => {
  it('are listed, shown and renamed', async () => {
    const user = await newUser()
    const { token, deviceId } = user
    const renamed = await hearth.request('PUT', `/devices/${deviceId}`, { token, body: { display_name: 'Näme' } })
    assertMatchesSpec('updateDevice', renamed.status, renamed.body)
    const one = await hearth.request('GET', `/devices/${deviceId}`, { token })
    assertMatchesSpec('getDevice', one.status, one.body)
    assert.deepEqual([one.body.device_id, one.body.display_name], [deviceId, 'Näme'])
    assert.equal((await hearth.request('PUT', `/devices/${deviceId}`, { token, body: {} })).status, 200)
    const list = await hearth.request('GET', '/devices', { token })
    assertMatchesSpec('getDevices', list.status, list.body)
    assert.deepEqual(list.body.devices, [one.body])
  })

  it('others’ devices are not found', async () => {
    const [user, other] = [await newUser(), await newUser()]
    const path = `/devices/${other.deviceId}`
    assertError(await hearth.request('GET', path, { token: user.token }), 404, 'M_NOT_FOUND')
    const body = { display_name: 'Mine now' }
    assertError(await hearth.request('PUT', path, { token: user.token, body }), 404, 'M_NOT_FOUND')
  })

  it('when and from where a device was last used is written in time', async () => {
    const user = await newUser()
    hearth.advance(600_000)
    await whoAmI(user.token)
    await hearth.services.sessions.stop()
    const { body } = await hearth.request('GET', `/devices/${user.deviceId}`, { token: user.token })
    assert.equal(body.last_seen_ip, '127.0.0.1')
    assert.equal(body.last_seen_ts, hearth.services.clock())
  })

  it('are deleted after the password was given, with their sessions', async () => {
    const user = await newUser()
    const other = await secondDevice(user)
    const path = `/devices/${other.device_id}`
    const challenge = await hearth.request('DELETE', path, { token: user.token })
    assertMatchesSpec('deleteDevice', challenge.status, challenge.body)
    assert.deepEqual(challenge.body.flows, [{ stages: ['m.login.password'] }])
    const { session } = challenge.body
    const wrong = { ...passwordAuth(user, session), password: 'wrong' }
    const refused = await hearth.request('DELETE', path, { token: user.token, body: { auth: wrong } })
    assertError(refused, 401, 'M_FORBIDDEN')
    assertMatchesSpec('deleteDevice', 401, refused.body)
    assert.equal(refused.body.session, session)
    assert.equal((await whoAmI(other.access_token)).status, 200)
    const body = { auth: passwordAuth(user, session) }
    const done = await hearth.request('DELETE', path, { token: user.token, body })
    assertMatchesSpec('deleteDevice', done.status, done.body)
    assertError(await whoAmI(other.access_token), 401, 'M_UNKNOWN_TOKEN')
    const again = await hearth.request('DELETE', path, { token: user.token, body: { auth: passwordAuth(user) } })
    assert.equal(again.status, 200, '"had been removed previously"')
  })

  it('a session for one device does not delete another', async () => {
    const user = await newUser()
    const [first, second] = [await secondDevice(user), await secondDevice(user)]
    const path = (id: string) => `/devices/${id}`
    const challenge = await hearth.request('DELETE', path(first.device_id), { token: user.token })
    const body = { auth: passwordAuth(user, challenge.body.session) }
    assert.equal((await hearth.request('DELETE', path(first.device_id), { token: user.token, body })).status, 200)
    const sessionOnly = { auth: { session: challenge.body.session } }
    const reply = await hearth.request('DELETE', path(second.device_id), { token: user.token, body: sessionOnly })
    assertError(reply, 401, 'M_FORBIDDEN')
    assert.equal((await whoAmI(second.access_token)).status, 200)
  })

  it('nor does one for another operation or another user', async () => {
    const [user, other] = [await newUser(), await newUser()]
    const { session } = (await hearth.request('DELETE', `/devices/${user.deviceId}`, { token: user.token })).body
    const body = { devices: [user.deviceId], auth: passwordAuth(user, session) }
    assertError(await hearth.request('POST', '/delete_devices', { token: user.token, body }), 401, 'M_FORBIDDEN')
    const stolen = { auth: passwordAuth(other, session) }
    const path = `/devices/${user.deviceId}`
    assertError(await hearth.request('DELETE', path, { token: other.token, body: stolen }), 401, 'M_FORBIDDEN')
  })

  it('a session is spent by the deletion, also where it comes twice at once', async () => {
    const user = await newUser()
    const { device_id: deviceId } = await secondDevice(user)
    const path = `/devices/${deviceId}`
    const { session } = (await hearth.request('DELETE', path, { token: user.token })).body
    const remove = (auth: object) => hearth.request('DELETE', path, { token: user.token, body: { auth } })
    const replies = await Promise.all([remove(passwordAuth(user, session)), remove(passwordAuth(user, session))])
    assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 401])
    await hearth.request('POST', '/login', {
      body: { type: 'm.login.password', user: user.userId, password: user.password, device_id: deviceId },
    })
    const reply = await remove({ session })
    assertError(reply, 401, 'M_FORBIDDEN')
    assert.notEqual(reply.body.session, session)
    assert.equal((await hearth.request('GET', path, { token: user.token })).status, 200)
  })

  it('the answer to someone else’s password does not tell whether it is right', async () => {
    const [user, other] = [await newUser(), await newUser()]
    const replies: Reply[] = []
    for (const password of [other.password, 'wrong']) {
      const body = { auth: { ...passwordAuth(other), password } }
      replies.push(await hearth.request('DELETE', `/devices/${user.deviceId}`, { token: user.token, body }))
    }
    for (const reply of replies) assertError(reply, 403, 'M_FORBIDDEN')
    assert.deepEqual(replies[0]?.body, replies[1]?.body)
    const unknown = { auth: { ...passwordAuth(user), identifier: { type: 'm.id.user', user: 'nobody' } } }
    const reply = await hearth.request('DELETE', `/devices/${user.deviceId}`, { token: user.token, body: unknown })
    assert.deepEqual(reply.body, replies[0]?.body)
  })

  it('several are deleted at once', async () => {
    const user = await newUser()
    const others = [await secondDevice(user), await secondDevice(user)]
    const devices = [...others.map((other) => other.device_id), 'UNKNOWN']
    const challenge = await hearth.request('POST', '/delete_devices', { token: user.token, body: { devices } })
    assertMatchesSpec('deleteDevices', challenge.status, challenge.body)
    const body = { devices, auth: passwordAuth(user, challenge.body.session) }
    const reply = await hearth.request('POST', '/delete_devices', { token: user.token, body })
    assertMatchesSpec('deleteDevices', reply.status, reply.body)
    for (const other of others) assertError(await whoAmI(other.access_token), 401, 'M_UNKNOWN_TOKEN')
    assert.equal((await whoAmI(user.token)).status, 200)
  })
})

describe('password change', () => {
  const change = (user: TestUser, body: object, token: string | null = user.token) =>
    hearth.request('POST', '/account/password', { token, body })

  it('takes the new password from then on, and ends other sessions', async () => {
    const user = await newUser()
    const other = await secondDevice(user)
    const challenge = await change(user, { new_password: 'new' })
    assertMatchesSpec('changePassword', challenge.status, challenge.body)
    const reply = await change(user, { new_password: 'new', auth: passwordAuth(user, challenge.body.session) })
    assertMatchesSpec('changePassword', reply.status, reply.body)
    assertError(await login(user), 403, 'M_FORBIDDEN')
    assert.equal((await login(user, 'new')).status, 200)
    assert.equal((await whoAmI(user.token)).status, 200)
    assertError(await whoAmI(other.access_token), 401, 'M_UNKNOWN_TOKEN')
  })

  it('leaves other sessions if asked to', async () => {
    const user = await newUser()
    const other = await secondDevice(user)
    const body = { new_password: 'new', logout_devices: false, auth: passwordAuth(user) }
    assert.equal((await change(user, body)).status, 200)
    assert.equal((await whoAmI(other.access_token)).status, 200)
  })

  it('does not take null for the wish to log everybody out', async () => {
    const user = await newUser()
    const body = { new_password: 'new', logout_devices: null, auth: passwordAuth(user) }
    assertError(await change(user, body), 400, 'M_BAD_JSON')
  })

  it('works without an access token for who knows the password', async () => {
    const user = await newUser()
    assert.equal((await change(user, { new_password: 'new', auth: passwordAuth(user) }, null)).status, 200)
    assert.equal((await login(user, 'new')).status, 200)
  })

  it('another new password under a session that was given is refused', async () => {
    const user = await newUser()
    const { session } = (await change(user, { new_password: 'new' })).body
    assert.equal((await change(user, { new_password: 'new', auth: passwordAuth(user, session) })).status, 200)
    const reply = await change(user, { new_password: 'evil', auth: { session } })
    assertError(reply, 401, 'M_FORBIDDEN')
    assert.equal((await login(user, 'new')).status, 200)
  })

  it('a session whose operation failed is good for another try, and for one only', async () => {
    const user = await newUser()
    const { session } = (await change(user, { new_password: '' })).body
    const weak = await change(user, { new_password: '', auth: passwordAuth(user, session) })
    assertError(weak, 400, 'M_WEAK_PASSWORD')
    assertError(await change(user, { new_password: '', auth: { session } }), 400, 'M_WEAK_PASSWORD')
    const body = { new_password: 'new', logout_devices: false }
    const { session: other } = (await change(user, body)).body
    assert.equal((await change(user, { ...body, auth: passwordAuth(user, other) })).status, 200)
    assertError(await change(user, { ...body, auth: { session: other } }), 401, 'M_FORBIDDEN')
  })

  it('an empty or missing new password changes nothing', async () => {
    const user = await newUser()
    assertError(await change(user, { new_password: '', auth: passwordAuth(user) }), 400, 'M_WEAK_PASSWORD')
    assertError(await change(user, { auth: passwordAuth(user) }), 400, 'M_MISSING_PARAM')
    assert.equal((await login(user)).status, 200)
  })

  it('S26: an unfinished change leaves no password in the database', async () => {
    const user = await newUser()
    const sentinel = 'a-sentinel-password-of-an-unfinished-change'
    await change(user, { new_password: sentinel })
    await change(user, { new_password: sentinel, auth: { ...passwordAuth(user), password: `${sentinel}-2` } })
    for (const name of readdirSync(hearth.dataDir)) {
      assert.ok(!readFileSync(join(hearth.dataDir, name)).includes(sentinel), name)
    }
    assert.ok(!hearth.logged.some((line) => line.includes(sentinel)))
  })
})

describe('deactivation', () => {
  const deactivate = (user: TestUser, body: object, token: string | null = user.token) =>
    hearth.request('POST', '/account/deactivate', { token, body })

  it('S21: ends all sessions and every way back in', async () => {
    const user = await newUser()
    const refreshable = { type: 'm.login.password', user: user.userId, password: user.password, refresh_token: true }
    const { refresh_token } = (await hearth.request('POST', '/login', { body: refreshable })).body
    const challenge = await deactivate(user, {})
    assertMatchesSpec('deactivateAccount', challenge.status, challenge.body)
    const reply = await deactivate(user, { auth: passwordAuth(user, challenge.body.session) })
    assertMatchesSpec('deactivateAccount', reply.status, reply.body)
    assert.deepEqual(reply.body, { id_server_unbind_result: 'success' })
    assertError(await whoAmI(user.token), 401, 'M_UNKNOWN_TOKEN')
    assertError(await login(user), 403, 'M_FORBIDDEN')
    assertError(await hearth.request('POST', '/refresh', { body: { refresh_token } }), 401, 'M_UNKNOWN_TOKEN')
    assertError(await deactivate(user, { auth: passwordAuth(user) }, null), 401, 'M_FORBIDDEN')
    const { accounts } = hearth.services
    const options = { logoutDevices: false, but: null }
    const consent = { found: new Map(), async spend() {} }
    const changed = accounts.changePassword(user.userId as UserId, 'again', options, consent)
    await assert.rejects(changed, { errcode: 'M_FORBIDDEN' })
    assertError(await login(user, 'again'), 403, 'M_FORBIDDEN')
  })

  it('with erase, profile and account data go too', async () => {
    const user = await newUser()
    const { token, userId } = user
    await hearth.request('PUT', `/profile/${userId}/displayname`, { token, body: { displayname: 'Somebody' } })
    await deactivate(user, { erase: true, auth: passwordAuth(user) })
    const profile = await hearth.request('GET', `/profile/${userId}`)
    assert.deepEqual(profile.body, {})
  })

  it('tells who takes the user out of rooms, also after a failure', async () => {
    const left: UserId[] = []
    const { accounts } = hearth.services
    let fails = true
    const departure = {
      async leaveAllRooms(userId: UserId) {
        if (fails) throw new Error('not now')
        left.push(userId)
      },
    }
    // Whoever was deactivated before departs first.
    fails = false
    await accounts.departBy(departure)
    left.length = 0
    fails = true
    const user = await newUser()
    await deactivate(user, { auth: passwordAuth(user) })
    fails = false
    await accounts.departBy(departure)
    assert.deepEqual(left, [user.userId])
    await accounts.departBy(departure)
    assert.deepEqual(left, [user.userId])
  })
})

it('guests can do none of this', async () => {
  const { body } = await hearth.request('POST', '/register?kind=guest', { body: {} })
  const token = body.access_token
  for (const path of ['/account/password', '/account/deactivate', '/delete_devices']) {
    assertError(await hearth.request('POST', path, { token, body: {} }), 403, 'M_GUEST_ACCESS_FORBIDDEN')
  }
})
