/** What each user may store, over the client API: a clear error beyond, and everything else goes on. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Hearth, startHearth, type TestUser } from '#test/harness/hearth.ts'

const LIMITS = {
  account_data: 20_000,
  key_backup: 20_000,
  encryption_keys: 20_000,
  devices: 2,
  filters: 5_000,
  profile: 5_000,
  aliases: 2,
  to_device: 1_000,
}

describe('what a user stores', () => {
  let hearth: Hearth
  let alice: TestUser
  before(async () => {
    hearth = await startHearth({ storage_limits: LIMITS })
    alice = await hearth.user('alice')
  })
  after(() => hearth[Symbol.asyncDispose]())

  const call = (method: string, path: string, body: unknown, user = alice) =>
    hearth.request(method, path, { token: user.token, body })
  /** Repeats a request until it is refused: with the error that says so, and not at once. */
  async function fill(make: (n: number) => ReturnType<typeof call>, what: RegExp): Promise<void> {
    for (let n = 0; n < 100; n++) {
      const { status, body } = await make(n)
      if (status === 200) continue
      assert.deepEqual([status, body.errcode], [413, 'M_TOO_LARGE'], JSON.stringify(body))
      assert.match(body.error, what)
      assert.ok(n > 0, 'the first fits')
      return
    }
    assert.fail('it was never refused')
  }
  const pad = { pad: 'x'.repeat(1_000) }
  const mine = (rest: string) => `/user/${encodeURIComponent(alice.userId)}/${rest}`

  it('is limited in account data, also that of rooms, tags and push rules', async () => {
    await fill((n) => call('PUT', mine(`account_data/org.example.${n}`), pad), /account data/)
    const { status } = await call('PUT', mine('account_data/org.example.0'), {})
    assert.equal(status, 200, 'what is made smaller is taken')
    await fill((n) => call('PUT', mine(`rooms/!room:x/account_data/a${n}`), { pad: 'x'.repeat(300) }), /account data/)
    await fill((n) => call('PUT', mine(`rooms/!room${n}:x/tags/u.tag`), {}), /account data/)
    const rule = { actions: [], pattern: 'x'.repeat(200) }
    const putRule = (n: number) => call('PUT', `/pushrules/global/content/rule${n}`, rule)
    const { status: full, body } = await putRule(0)
    assert.deepEqual([full, body.errcode], [413, 'M_TOO_LARGE'])
    assert.equal((await hearth.request('GET', '/sync', { token: alice.token })).status, 200)
  })

  it('is limited in key backups', async () => {
    const backup = { algorithm: 'a', auth_data: {} }
    const { body } = await call('POST', '/room_keys/version', backup)
    const data = { first_message_index: 0, forwarded_count: 0, is_verified: false, session_data: pad }
    const putKey = (n: number) => call('PUT', `/room_keys/keys/!room:x/session${n}?version=${body.version}`, data)
    await fill(putKey, /backed-up keys/)
    assert.equal((await call('POST', '/room_keys/version', { ...backup, auth_data: pad })).status, 413)
    await call('DELETE', `/room_keys/version/${body.version}`, undefined)
    assert.equal((await call('POST', '/room_keys/version', { ...backup, auth_data: pad })).status, 200)
  })

  it('is limited in filters, profile fields, aliases and one-time keys', async () => {
    await fill((n) => call('POST', mine('filter'), { n, ...pad }), /filters/)
    await fill(
      (n) => call('PUT', `/profile/${alice.userId}/org.example.a${n}`, { [`org.example.a${n}`]: pad }),
      /profile/,
    )
    const { body } = await call('POST', '/createRoom', {})
    const putAlias = (n: number) => call('PUT', `/directory/room/%23a${n}:hearth.example`, { room_id: body.room_id })
    await fill(putAlias, /aliases/)
    await fill(
      (n) => call('POST', '/keys/upload', { fallback_keys: { [`algorithm${n}:k`]: pad.pad } }),
      /encryption keys/,
    )
  })

  it('is limited in devices, which can be logged out', async () => {
    const bob = await hearth.user('bob')
    const logIn = (device?: string) =>
      hearth.request('POST', '/login', {
        body: {
          type: 'm.login.password',
          identifier: { type: 'm.id.user', user: 'bob' },
          password: bob.password,
          device_id: device,
        },
      })
    assert.equal((await logIn()).status, 200)
    const { status, body } = await logIn()
    assert.deepEqual([status, body.errcode], [413, 'M_TOO_LARGE'])
    assert.match(body.error, /devices/)
    assert.equal((await logIn(bob.deviceId)).status, 200, 'a device that is there already')
    const { body: again } = await logIn(bob.deviceId)
    await call('POST', '/logout', {}, { ...bob, token: again.access_token })
    assert.equal((await logIn()).status, 200)
  })

  it('is limited in messages that wait for devices; who reaches no device is told', async () => {
    const carol = await hearth.user('carol')
    let txn = 0
    const send = (to: Record<string, object>) => {
      const messages = Object.fromEntries(Object.entries(to).map(([userId, content]) => [userId, { '*': content }]))
      return call('PUT', `/sendToDevice/m.test/${txn++}`, { messages })
    }
    const big = { pad: 'x'.repeat(60_000) }
    await fill(() => send({ [carol.userId]: big }), /wait for its devices/)
    assert.equal((await send({ [carol.userId]: big, [alice.userId]: {} })).status, 200, 'somebody got theirs')
    const { body } = await hearth.request('GET', '/sync', { token: carol.token })
    assert.equal(body.to_device.events.length, 4)
    await hearth.request('GET', `/sync?since=${body.next_batch}`, { token: carol.token })
    assert.equal((await send({ [carol.userId]: big })).status, 200, 'it has fetched them')
  })
})
