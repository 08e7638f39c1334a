/** Dehydrated devices (MSC3814): kept without a session, for the next login. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { JsonObject } from '#core/json/value.ts'
import { CrossSigningKeys, CryptoDevice } from '#test/harness/crypto-device.ts'
import { type Hearth, startHearth, type TestUser } from '#test/harness/hearth.ts'

let hearth: Hearth
before(async () => {
  hearth = await startHearth()
})
after(() => hearth[Symbol.asyncDispose]())

const PATH = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'
const DATA = { algorithm: 'org.matrix.msc3814.v2', device_pickle: 'secret', nonce: 'n' }

let users = 0
const newUser = () => hearth.user(`user${users++}`)
const call = (user: TestUser, method: string, path = '', body?: unknown) =>
  hearth.request(method, PATH + path, { token: user.token, ...(body !== undefined && { body }) })
const post = async (user: TestUser, path: string, body: unknown) =>
  (await hearth.request('POST', path, { token: user.token, body })).body
const devicesOf = async (user: TestUser): Promise<string[]> => {
  const { body } = await hearth.request('GET', '/devices', { token: user.token })
  return body.devices.map((device: { device_id: string }) => device.device_id)
}

/** A device that a user may keep, with its keys. */
function kept(user: TestUser, deviceId = 'KEPT') {
  const crypto = new CryptoDevice({ userId: user.userId, deviceId })
  const body = {
    device_id: deviceId,
    device_data: DATA,
    initial_device_display_name: 'Kept',
    device_keys: crypto.deviceKeys({ dehydrated: true }),
    one_time_keys: crypto.oneTimeKeys(1),
    fallback_keys: crypto.fallbackKey(),
  }
  return { crypto, body }
}

async function send(from: TestUser, to: TestUser, deviceId: string, numbers: readonly number[]): Promise<void> {
  for (const n of numbers) {
    const body = { messages: { [to.userId]: { [deviceId]: { n } } } }
    const { status } = await hearth.request('PUT', `/sendToDevice/m.room.encrypted/t${n}`, { token: from.token, body })
    assert.equal(status, 200)
  }
}

const numbersOf = (events: readonly { content: { n: number } }[]) => events.map(({ content }) => content.n)

describe('a dehydrated device', () => {
  it('is kept with its keys, shown to all, and given back', async () => {
    const alice = await newUser()
    assert.deepEqual((await call(alice, 'GET')).body.errcode, 'M_NOT_FOUND')
    const { body } = kept(alice)
    assert.deepEqual((await call(alice, 'PUT', '', body)).body, { device_id: 'KEPT' })
    assert.deepEqual((await call(alice, 'GET')).body, { device_id: 'KEPT', device_data: DATA })
    const bob = await newUser()
    const { device_keys: keys } = await post(bob, '/keys/query', { device_keys: { [alice.userId]: [] } })
    const { unsigned, ...shown } = keys[alice.userId].KEPT
    assert.deepEqual([unsigned, shown], [{ device_display_name: 'Kept' }, body.device_keys])
    const claim = async () => {
      const wanted = { one_time_keys: { [alice.userId]: { KEPT: 'signed_curve25519' } } }
      return (await post(bob, '/keys/claim', wanted)).one_time_keys[alice.userId].KEPT
    }
    assert.deepEqual(await claim(), body.one_time_keys)
    assert.deepEqual(await claim(), body.fallback_keys)
    assert.ok((await devicesOf(alice)).includes('KEPT'))
    assert.equal((await call(bob, 'GET')).status, 404)
  })

  it('gives way to the next one, with all that it had', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    await call(alice, 'PUT', '', kept(alice, 'FIRST').body)
    await send(bob, alice, 'FIRST', [1])
    await call(alice, 'PUT', '', kept(alice, 'SECOND').body)
    assert.deepEqual((await devicesOf(alice)).sort(), [alice.deviceId, 'SECOND'].sort())
    const again = kept(alice, 'SECOND').body
    assert.equal((await call(alice, 'PUT', '', again)).status, 200, 'with other keys under the same id')
    assert.deepEqual((await call(alice, 'DELETE', '', {})).body, { device_id: 'SECOND' })
    assert.deepEqual(await devicesOf(alice), [alice.deviceId])
    assert.equal((await call(alice, 'DELETE')).body.errcode, 'M_NOT_FOUND')
  })

  it('may carry the signature of the self-signing key', async () => {
    const alice = await newUser()
    const keys = new CrossSigningKeys(alice.userId)
    await post(alice, '/keys/device_signing/upload', keys.upload())
    const { body } = kept(alice)
    const signed = keys.selfSigning.sign(body.device_keys)
    assert.equal((await call(alice, 'PUT', '', { ...body, device_keys: signed })).status, 200)
    const answer = await post(alice, '/keys/query', { device_keys: { [alice.userId]: ['KEPT'] } })
    assert.deepEqual(answer.device_keys[alice.userId].KEPT.signatures, (signed as JsonObject)['signatures'])
  })

  it('keeps the numbers of its data and its messages letter for letter', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const odd = '{"big":9007199254740993,"float":1.0}'
    const put = JSON.stringify(kept(alice).body).replace(JSON.stringify(DATA), odd)
    assert.equal((await call(alice, 'PUT', '', put)).status, 200)
    assert.equal((await call(alice, 'GET')).text, `{"device_id":"KEPT","device_data":${odd}}`)
    const body = `{"messages":{"${alice.userId}":{"KEPT":${odd}}}}`
    assert.equal((await hearth.request('PUT', '/sendToDevice/m.test/odd', { token: bob.token, body })).status, 200)
    const { text } = await call(alice, 'POST', '/KEPT/events', {})
    assert.ok(text.includes(`"content":${odd}`), text)
  })

  it('is refused without right keys, or under the id of something else', async () => {
    const alice = await newUser()
    const { body } = kept(alice)
    const keys = new CrossSigningKeys(alice.userId)
    await post(alice, '/keys/device_signing/upload', keys.upload())
    const { device_keys: _keys, ...keyless } = body
    const refusals: [errcode: string, body: object][] = [
      ['M_MISSING_PARAM', keyless],
      ['M_INVALID_SIGNATURE', { ...body, device_keys: { ...body.device_keys, algorithms: [] } }],
      ['M_INVALID_PARAM', { ...body, device_id: 'OTHER' }],
      ['M_INVALID_PARAM', kept(alice, alice.deviceId).body],
      ['M_INVALID_PARAM', kept(alice, keys.master.publicKey).body],
      ['M_TOO_LARGE', { ...body, device_data: { pickle: 'x'.repeat(70_000) } }],
      ['M_BAD_JSON', { ...body, device_data: 'x' }],
    ]
    for (const [errcode, refused] of refusals) {
      assert.equal((await call(alice, 'PUT', '', refused)).body.errcode, errcode, JSON.stringify(refused).slice(0, 100))
    }
    assert.deepEqual(await devicesOf(alice), [alice.deviceId])
  })

  it('keeps its messages while they are read, in both ways of asking', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    await call(alice, 'PUT', '', kept(alice).body)
    await send(bob, alice, 'KEPT', [1, 2, 3])
    for (let round = 0; round < 2; round++) {
      const first = (await call(alice, 'GET', '/KEPT/events?limit=2')).body
      assert.deepEqual(numbersOf(first.events), [1, 2])
      const last = (await call(alice, 'GET', `/KEPT/events?limit=2&from=${first.next_batch}`)).body
      assert.deepEqual([numbersOf(last.events), last.next_batch], [[3], undefined])
    }
    const all = (await call(alice, 'POST', '/KEPT/events', {})).body
    assert.deepEqual(numbersOf(all.events), [1, 2, 3])
    const end = (await call(alice, 'POST', '/KEPT/events', { next_batch: all.next_batch })).body
    assert.deepEqual(end, { events: [], next_batch: all.next_batch })
    assert.equal((await call(alice, 'GET', '/OTHER/events')).body.errcode, 'M_FORBIDDEN')
    assert.equal((await call(bob, 'GET', '/KEPT/events')).body.errcode, 'M_FORBIDDEN')
    assert.equal((await call(alice, 'GET', '/KEPT/events?from=x')).body.errcode, 'M_INVALID_PARAM')
  })
})
