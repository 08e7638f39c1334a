/** Keys of devices: published, looked up and claimed over the client API. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { JsonObject } from '#core/json/value.ts'
import { CryptoDevice } from '#test/harness/crypto-device.ts'
import { type Hearth, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

let hearth: Hearth
before(async () => {
  hearth = await startHearth()
})
after(() => hearth[Symbol.asyncDispose]())

let users = 0
const newUser = () => hearth.user(`user${users++}`)

/** A user whose device has published its identity keys. */
async function published(): Promise<TestUser & { readonly crypto: CryptoDevice }> {
  const user = await newUser()
  const crypto = new CryptoDevice(user)
  assert.equal((await upload(user, { device_keys: crypto.deviceKeys() })).status, 200)
  return { ...user, crypto }
}

async function post(operation: string, path: string, user: TestUser, body: unknown) {
  const reply = await hearth.request('POST', path, { token: user.token, body })
  assertMatchesSpec(operation, reply.status, reply.body)
  return reply
}
const upload = (user: TestUser, body: unknown) => post('uploadKeys', '/keys/upload', user, body)
const query = async (user: TestUser, wanted: Record<string, string[]>) =>
  (await post('queryKeys', '/keys/query', user, { device_keys: wanted })).body
const claim = async (user: TestUser, of: TestUser, algorithm = 'signed_curve25519') => {
  const body = { one_time_keys: { [of.userId]: { [of.deviceId]: algorithm } } }
  const reply = await post('claimKeys', '/keys/claim', user, body)
  assert.equal(reply.status, 200)
  return (reply.body.one_time_keys[of.userId]?.[of.deviceId] ?? {}) as Record<string, JsonObject>
}
/** The last stream position of all. */
async function position(): Promise<number> {
  return Number(/^hearth_stream_position (\d+)$/m.exec(await hearth.services.metrics.text())?.[1])
}

describe('identity keys', () => {
  it('are shown as uploaded, with the name of the device', async () => {
    const alice = await published()
    const bob = await newUser()
    const { device_keys: keys, failures } = await query(bob, { [alice.userId]: [] })
    assert.deepEqual(keys, { [alice.userId]: { [alice.deviceId]: alice.crypto.deviceKeys() } })
    assert.deepEqual(failures, {})
    const path = `/devices/${alice.deviceId}`
    await hearth.request('PUT', path, { token: alice.token, body: { display_name: 'Phone' } })
    const named = await query(bob, { [alice.userId]: [alice.deviceId] })
    assert.deepEqual(named.device_keys[alice.userId][alice.deviceId].unsigned, { device_display_name: 'Phone' })
  })

  it('of devices that were not asked for are not shown, nor those of nobody', async () => {
    const alice = await published()
    const nobody = '@nobody:hearth.example'
    const { device_keys: keys } = await query(alice, { [alice.userId]: ['OTHER', 'constructor'], [nobody]: [] })
    assert.deepEqual(keys, { [alice.userId]: {} })
  })

  it('of a server that nobody can ask are a failure of that server', async () => {
    const alice = await published()
    const body = await query(alice, { '@x:elsewhere.example': [], [alice.userId]: [] })
    assert.deepEqual(Object.keys(body.failures), ['elsewhere.example'])
    assert.deepEqual(Object.keys(body.device_keys), [alice.userId])
  })

  it('are refused when they are not those of the device', async () => {
    const user = await newUser()
    const crypto = new CryptoDevice(user)
    const mallory = new CryptoDevice(user)
    const keys = crypto.deviceKeys()
    const { [crypto.keyId]: _ed25519, ...others } = crypto.unsignedKeys()['keys'] as JsonObject
    const forged: [errcode: string, keys: unknown][] = [
      ['M_INVALID_PARAM', crypto.deviceKeys({ user_id: '@other:hearth.example' })],
      ['M_INVALID_PARAM', crypto.deviceKeys({ device_id: 'OTHER' })],
      ['M_INVALID_PARAM', crypto.deviceKeys({ keys: others })],
      ['M_INVALID_PARAM', crypto.deviceKeys({ keys: { ...others, 'ed25519:OTHER': 'x' } })],
      ['M_INVALID_PARAM', crypto.deviceKeys({ keys: { ...others, [crypto.keyId]: 'c2hvcnQ' } })],
      ['M_BAD_JSON', crypto.deviceKeys({ algorithms: 'all' })],
      ['M_INVALID_SIGNATURE', { ...keys, algorithms: [] }],
      ['M_INVALID_SIGNATURE', mallory.sign(crypto.unsignedKeys())],
      ['M_TOO_LARGE', crypto.deviceKeys({ more: 'x'.repeat(65_536) })],
      ['M_BAD_JSON', 'keys'],
    ]
    for (const [errcode, device_keys] of forged) {
      assert.equal((await upload(user, { device_keys })).body.errcode, errcode, JSON.stringify(device_keys))
    }
    assert.deepEqual((await query(user, { [user.userId]: [] })).device_keys, { [user.userId]: {} })
  })

  it('may come without a signature, which takes none away', async () => {
    const user = await newUser()
    const crypto = new CryptoDevice(user)
    const shown = async () => (await query(user, { [user.userId]: [] })).device_keys[user.userId][user.deviceId]
    assert.equal((await upload(user, { device_keys: crypto.unsignedKeys() })).status, 200)
    assert.deepEqual(await shown(), { ...crypto.unsignedKeys(), signatures: {} })
    for (const device_keys of [crypto.deviceKeys(), crypto.unsignedKeys()]) {
      assert.equal((await upload(user, { device_keys })).status, 200)
      assert.deepEqual(await shown(), crypto.deviceKeys())
    }
  })

  it('of a client that lost its store take the place of those before, with the one-time keys', async () => {
    const alice = await published()
    const first = { one_time_keys: alice.crypto.oneTimeKeys(3), fallback_keys: alice.crypto.fallbackKey() }
    assert.equal((await upload(alice, first)).status, 200)
    await claim(alice, alice)
    const anew = new CryptoDevice(alice)
    const before = await position()
    const { status, body } = await upload(alice, {
      device_keys: anew.deviceKeys(),
      one_time_keys: anew.oneTimeKeys(1),
      fallback_keys: anew.fallbackKey(),
    })
    assert.deepEqual([status, body], [200, { one_time_key_counts: { signed_curve25519: 1 } }])
    assert.equal(await position(), before + 1, 'the list of devices has changed')
    const { device_keys: shown } = await query(alice, { [alice.userId]: [] })
    assert.deepEqual(shown[alice.userId][alice.deviceId], anew.deviceKeys())
    const claimed = [await claim(alice, alice), await claim(alice, alice)]
    for (const key of claimed.flatMap((keys) => Object.values(keys))) {
      const signed = (key['signatures'] as JsonObject)[alice.userId] as JsonObject
      assert.deepEqual(anew.sign(key), { ...key, signatures: { [alice.userId]: signed } }, 'the new device signed it')
    }
    assert.equal(claimed.length, 2)
  })

  it('may be sent again, and other members of them may change', async () => {
    const alice = await published()
    const again = await upload(alice, { device_keys: alice.crypto.deviceKeys(), one_time_keys: null })
    assert.equal(again.status, 200)
    const more = alice.crypto.deviceKeys({ algorithms: [] })
    assert.equal((await upload(alice, { device_keys: more })).status, 200)
    assert.deepEqual((await query(alice, { [alice.userId]: [] })).device_keys[alice.userId][alice.deviceId], more)
  })

  it('are a change of the device list when they change, and only then', async () => {
    const user = await newUser()
    const crypto = new CryptoDevice(user)
    const changed = async (change: () => Promise<unknown>) => {
      const before = await position()
      await change()
      return (await position()) - before
    }
    const keys = crypto.deviceKeys()
    assert.equal(await changed(() => upload(user, { device_keys: keys })), 1)
    assert.equal(await changed(() => upload(user, { device_keys: keys })), 0)
    assert.equal(await changed(() => upload(user, { one_time_keys: crypto.oneTimeKeys(1) })), 0)
  })

  it('go with the device', async () => {
    const alice = await published()
    const bob = await newUser()
    await upload(alice, { one_time_keys: alice.crypto.oneTimeKeys(2), fallback_keys: alice.crypto.fallbackKey() })
    await hearth.request('POST', '/logout', { token: alice.token, body: {} })
    assert.deepEqual((await query(bob, { [alice.userId]: [] })).device_keys, { [alice.userId]: {} })
    assert.deepEqual(await claim(bob, alice), {})
    assert.equal((await upload(alice, {})).status, 401)
  })
})

describe('one-time keys', () => {
  it('are counted, and given out once each, oldest first, to whoever asks first', async () => {
    const alice = await published()
    const bob = await newUser()
    const first = alice.crypto.oneTimeKeys(3)
    const { body } = await upload(alice, { one_time_keys: first })
    assert.deepEqual(body, { one_time_key_counts: { signed_curve25519: 3 } })
    assert.deepEqual((await upload(alice, { one_time_keys: alice.crypto.oneTimeKeys(7, 3) })).body, {
      one_time_key_counts: { signed_curve25519: 10 },
    })
    const early = await Promise.all([claim(bob, alice), claim(bob, alice), claim(bob, alice)])
    assert.deepEqual(Object.fromEntries(early.flatMap((keys) => Object.entries(keys))), first)
    assert.deepEqual((await upload(alice, {})).body, { one_time_key_counts: { signed_curve25519: 7 } })
  })

  it('are given to one only among a hundred who ask at once', async () => {
    const alice = await published()
    const bob = await newUser()
    await upload(alice, { one_time_keys: alice.crypto.oneTimeKeys(60) })
    const claimed = await Promise.all(Array.from({ length: 100 }, () => claim(bob, alice)))
    const names = claimed.flatMap((keys) => Object.keys(keys))
    assert.equal(names.length, 60)
    assert.equal(new Set(names).size, 60)
  })

  it('may be sent again, and are not given out again', async () => {
    const alice = await published()
    const bob = await newUser()
    const one_time_keys = alice.crypto.oneTimeKeys(2)
    await upload(alice, { one_time_keys })
    await claim(bob, alice)
    const { body } = await upload(alice, { one_time_keys })
    assert.deepEqual(body, { one_time_key_counts: { signed_curve25519: 1 } })
    assert.equal(Object.keys(await claim(bob, alice)).length, 1)
    assert.deepEqual(await claim(bob, alice), {})
  })

  it('are the same with another signature, also those that were given out', async () => {
    const alice = await published()
    const once = { one_time_keys: alice.crypto.oneTimeKeys(2), fallback_keys: alice.crypto.fallbackKey() }
    await upload(alice, once)
    const [claimed] = Object.keys(await claim(alice, alice))
    const resigned = (keys: Record<string, JsonObject>) =>
      Object.fromEntries(
        Object.entries(keys).map(([name, key]) => {
          return [name, { ...key, signatures: { [alice.userId]: { [alice.crypto.keyId]: 'another' } } }]
        }),
      )
    const { status, body } = await upload(alice, {
      one_time_keys: resigned(once.one_time_keys),
      fallback_keys: resigned(once.fallback_keys),
    })
    assert.deepEqual([status, body], [200, { one_time_key_counts: { signed_curve25519: 1 } }])
    const [next] = Object.keys(await claim(alice, alice))
    assert.notEqual(next, claimed, 'nobody gets a key twice')
    assert.deepEqual(await claim(alice, alice), once.fallback_keys)
  })

  it('are refused, all of them, where an id stands for another key', async () => {
    const alice = await published()
    await upload(alice, { one_time_keys: alice.crypto.oneTimeKeys(1) })
    const { status, body } = await upload(alice, { one_time_keys: alice.crypto.oneTimeKeys(5) })
    assert.deepEqual([status, body.errcode], [400, 'M_INVALID_PARAM'])
    assert.deepEqual((await upload(alice, {})).body.one_time_key_counts, { signed_curve25519: 1 })
  })

  it('are refused without an algorithm, as nonsense, or by the thousand', async () => {
    const { crypto, ...alice } = await published()
    const refusals: [string, JsonObject][] = [
      ['M_INVALID_PARAM', { AAAA: 'x' }],
      ['M_INVALID_PARAM', { ':AAAA': 'x' }],
      ['M_INVALID_PARAM', { 'curve25519:': 'x' }],
      ['M_INVALID_PARAM', { 'curve25519:\0': 'x' }],
      ['M_BAD_JSON', { 'curve25519:A': 5 }],
      ['M_BAD_JSON', { 'signed_curve25519:A': { signatures: {} } }],
      ['M_TOO_LARGE', { 'curve25519:A': 'x'.repeat(10_000) }],
      ['M_TOO_LARGE', crypto.oneTimeKeys(1_001)],
    ]
    for (const [errcode, one_time_keys] of refusals) {
      assert.equal((await upload(alice, { one_time_keys })).body.errcode, errcode)
    }
    assert.deepEqual((await upload(alice, {})).body.one_time_key_counts, { signed_curve25519: 0 })
  })

  it('of several algorithms are counted and claimed apart', async () => {
    const alice = await published()
    const one_time_keys = { 'curve25519:A': 'plain', ...alice.crypto.oneTimeKeys(1) }
    assert.deepEqual((await upload(alice, { one_time_keys })).body.one_time_key_counts, {
      curve25519: 1,
      signed_curve25519: 1,
    })
    assert.deepEqual(await claim(alice, alice, 'curve25519'), { 'curve25519:A': 'plain' })
    assert.deepEqual(await claim(alice, alice, 'unknown'), {})
  })
})

describe('fallback keys', () => {
  it('are given out when no one-time key is left, as often as needed', async () => {
    const alice = await published()
    const fallback_keys = alice.crypto.fallbackKey()
    const one_time_keys = alice.crypto.oneTimeKeys(1)
    await upload(alice, { fallback_keys, one_time_keys })
    assert.deepEqual(await claim(alice, alice), one_time_keys)
    assert.deepEqual(await claim(alice, alice), fallback_keys)
    assert.deepEqual(await claim(alice, alice), fallback_keys)
    const next = alice.crypto.fallbackKey('next')
    await upload(alice, { fallback_keys: next })
    assert.deepEqual(await claim(alice, alice), next)
  })

  it('stay used when they are sent again, and never become others under their ids', async () => {
    const alice = await published()
    const unused = async () => {
      const { body } = await hearth.request('GET', '/sync', { token: alice.token })
      return body.device_unused_fallback_key_types
    }
    const fallback_keys = alice.crypto.fallbackKey()
    await upload(alice, { fallback_keys })
    assert.deepEqual(await unused(), ['signed_curve25519'])
    await claim(alice, alice)
    assert.equal((await upload(alice, { fallback_keys })).status, 200)
    assert.deepEqual(await unused(), [])
    assert.equal((await upload(alice, { fallback_keys: alice.crypto.fallbackKey() })).body.errcode, 'M_INVALID_PARAM')
    await upload(alice, { fallback_keys: alice.crypto.fallbackKey('next') })
    assert.deepEqual(await unused(), ['signed_curve25519'])
  })

  it('are one for each algorithm', async () => {
    const alice = await published()
    const fallback_keys = { ...alice.crypto.fallbackKey('a'), ...alice.crypto.fallbackKey('b') }
    assert.equal((await upload(alice, { fallback_keys })).body.errcode, 'M_INVALID_PARAM')
  })
})

const numbered = <T>(count: number, value: () => T): Record<string, T> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`@u${n}:hearth.example`, value()]))

it('requests of a wrong form are refused', async () => {
  const alice = await newUser()
  const bad: [path: string, errcode: string, body: unknown][] = [
    ['/keys/query', 'M_MISSING_PARAM', {}],
    ['/keys/query', 'M_BAD_JSON', { device_keys: null }],
    ['/keys/query', 'M_BAD_JSON', { device_keys: { [alice.userId]: null } }],
    ['/keys/query', 'M_INVALID_PARAM', { device_keys: { alice: [] } }],
    ['/keys/query', 'M_INVALID_PARAM', { device_keys: numbered(10_001, () => []) }],
    ['/keys/claim', 'M_INVALID_PARAM', { one_time_keys: numbered(10_001, () => ({ x: 'y' })) }],
    ['/keys/claim', 'M_MISSING_PARAM', {}],
    ['/keys/claim', 'M_BAD_JSON', { one_time_keys: { [alice.userId]: { x: {} } } }],
    ['/keys/claim', 'M_INVALID_PARAM', { one_time_keys: { constructor: { x: 'y' } } }],
  ]
  for (const [path, errcode, body] of bad) {
    const reply = await hearth.request('POST', path, { token: alice.token, body })
    assert.deepEqual([reply.status, reply.body.errcode], [400, errcode], JSON.stringify(body))
  }
})
