/** Cross-signing keys and signatures over the client API. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { JsonObject } from '#core/json/value.ts'
import { CrossSigningKeys, CrossSigningPair, CryptoDevice } from '#test/harness/crypto-device.ts'
import { type Hearth, type Reply, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

let hearth: Hearth
before(async () => {
  hearth = await startHearth()
})
after(() => hearth[Symbol.asyncDispose]())

type CryptoUser = TestUser & { readonly crypto: CryptoDevice; readonly keys: CrossSigningKeys }

let users = 0
/** Somebody whose device has published its keys, and who has made cross-signing keys. */
async function newUser(): Promise<CryptoUser> {
  const user = await hearth.user(`user${users++}`)
  const crypto = new CryptoDevice(user)
  await hearth.request('POST', '/keys/upload', { token: user.token, body: { device_keys: crypto.deviceKeys() } })
  return { ...user, crypto, keys: new CrossSigningKeys(user.userId) }
}

async function post(operation: string, path: string, user: TestUser, body: unknown): Promise<Reply> {
  const reply = await hearth.request('POST', path, { token: user.token, body })
  if (reply.status !== 401) assertMatchesSpec(operation, reply.status, reply.body)
  return reply
}
const upload = (user: TestUser, body: unknown) =>
  post('uploadCrossSigningKeys', '/keys/device_signing/upload', user, body)
const sign = async (user: TestUser, body: unknown) =>
  (await post('uploadCrossSigningSignatures', '/keys/signatures/upload', user, body)).body.failures
const query = async (user: TestUser, of: TestUser) =>
  (await post('queryKeys', '/keys/query', user, { device_keys: { [of.userId]: [] } })).body
const consent = (user: TestUser) => ({
  auth: {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: user.userId },
    password: user.password,
  },
})

/** A user with cross-signing keys. */
async function signedUser(): Promise<CryptoUser> {
  const user = await newUser()
  assert.equal((await upload(user, user.keys.upload())).status, 200)
  return user
}

const signerKeys = (key: JsonObject, user: TestUser) =>
  Object.keys((key['signatures'] as Record<string, object> | undefined)?.[user.userId] ?? {})

describe('cross-signing keys', () => {
  it('are shown as uploaded; the user-signing key to its owner alone', async () => {
    const alice = await signedUser()
    const bob = await newUser()
    const { master_key, self_signing_key, user_signing_key } = alice.keys.upload()
    const seen = await query(bob, alice)
    assert.deepEqual(seen.master_keys, { [alice.userId]: master_key })
    assert.deepEqual(seen.self_signing_keys, { [alice.userId]: self_signing_key })
    assert.deepEqual(seen.user_signing_keys, {})
    assert.deepEqual((await query(alice, alice)).user_signing_keys, { [alice.userId]: user_signing_key })
  })

  it('need no consent the first time, nor the same once more; other ones do', async () => {
    const alice = await signedUser()
    assert.equal((await upload(alice, alice.keys.upload())).status, 200)
    const { master_key } = alice.keys.upload()
    assert.equal((await upload(alice, { master_key })).status, 200)
    const other = new CrossSigningKeys(alice.userId)
    const challenge = await upload(alice, other.upload())
    assert.deepEqual([challenge.status, challenge.body.flows], [401, [{ stages: ['m.login.password'] }]])
    const sameMaster = new CrossSigningKeys(alice.userId, alice.keys.master)
    assert.equal((await upload(alice, sameMaster.upload())).status, 401)
    const { self_signing_key } = sameMaster.upload()
    assert.equal((await upload(alice, { self_signing_key })).status, 401)
    assert.deepEqual((await query(alice, alice)).master_keys[alice.userId], master_key)
    const { status } = await upload(alice, { ...other.upload(), ...consent(alice) })
    assert.equal(status, 200)
    assert.deepEqual((await query(alice, alice)).master_keys[alice.userId], other.upload()['master_key'])
  })

  it('are those of one of two who publish first at the same time', async () => {
    const alice = await newUser()
    const other = new CrossSigningKeys(alice.userId)
    const [one, two] = await Promise.all([upload(alice, alice.keys.upload()), upload(alice, other.upload())])
    assert.deepEqual([one?.status, two?.status].sort(), [200, 401])
  })

  it('come with a master key, and are signed by it', async () => {
    const alice = await newUser()
    const { keys } = alice
    const { master_key, self_signing_key } = keys.upload()
    const other = new CrossSigningKeys(alice.userId)
    const refusals: [string, JsonObject][] = [
      ['M_MISSING_PARAM', {}],
      ['M_MISSING_PARAM', { self_signing_key: self_signing_key! }],
      ['M_INVALID_SIGNATURE', { master_key: master_key!, self_signing_key: keys.selfSigning.key() }],
      ['M_INVALID_SIGNATURE', { ...keys.upload(), user_signing_key: other.upload()['user_signing_key']! }],
      ['M_INVALID_SIGNATURE', { master_key: { ...keys.master.sign(keys.master.key()), more: 1 } }],
      ['M_INVALID_PARAM', { master_key: self_signing_key! }],
      ['M_INVALID_PARAM', { master_key: { ...master_key, user_id: '@other:hearth.example' } }],
      ['M_INVALID_PARAM', { master_key: { ...master_key, keys: {} } }],
      ['M_INVALID_PARAM', { master_key: { ...master_key, keys: { 'ed25519:x': keys.master.publicKey } } }],
      ['M_INVALID_PARAM', { master_key: { ...master_key, keys: { 'ed25519:c2hvcnQ': 'c2hvcnQ' } } }],
      ['M_BAD_JSON', { master_key: 'key' }],
    ]
    for (const [errcode, body] of refusals) {
      const reply = await upload(alice, body)
      assert.deepEqual([reply.status, reply.body.errcode], [400, errcode], JSON.stringify(body))
    }
    assert.deepEqual((await query(alice, alice)).master_keys, {})
  })

  it('take the keys and signatures of the master key before with them', async () => {
    const alice = await signedUser()
    await sign(alice, {
      [alice.userId]: { [alice.deviceId]: alice.keys.selfSigning.sign(alice.crypto.unsignedKeys()) },
    })
    const master = new CrossSigningPair(alice.userId, 'master')
    assert.equal((await upload(alice, { master_key: master.key(), ...consent(alice) })).status, 200)
    const seen = await query(alice, alice)
    assert.deepEqual(Object.keys(seen.master_keys[alice.userId].keys), [`ed25519:${master.publicKey}`])
    assert.deepEqual([seen.self_signing_keys, seen.user_signing_keys], [{}, {}])
    assert.deepEqual(signerKeys(seen.device_keys[alice.userId][alice.deviceId], alice), [alice.crypto.keyId])
  })

  it('never have the name of a device', async () => {
    const alice = await newUser()
    const login = (deviceId: string) =>
      hearth.request('POST', '/login', { body: { ...consent(alice).auth, device_id: deviceId } })
    assert.equal((await login(alice.keys.selfSigning.publicKey)).status, 200)
    const refused = await upload(alice, alice.keys.upload())
    assert.deepEqual([refused.status, refused.body.errcode], [403, 'M_FORBIDDEN'])
    const other = new CrossSigningKeys(alice.userId)
    assert.equal((await upload(alice, other.upload())).status, 200)
    assert.equal((await login(other.master.publicKey)).body.errcode, 'M_INVALID_PARAM')
  })

  it('end with the account', async () => {
    const alice = await signedUser()
    const bob = await newUser()
    const caller = await hearth.services.sessions.authenticate(alice.token, { ip: '127.0.0.1' })
    const ended = await hearth.request('POST', '/account/deactivate', { token: alice.token, body: consent(alice) })
    assert.equal(ended.status, 200)
    const { device_keys, master_keys } = await query(bob, alice)
    assert.deepEqual([device_keys, master_keys], [{}, {}])
    const keys = new Map([['master', new CrossSigningPair(alice.userId, 'master').key()]] as const)
    assert.equal(await hearth.services.crossSigning.upload(caller, keys, null), true, 'there are none to be replaced')
  })

  it('are served under the old path', async () => {
    const alice = await newUser()
    const path = '/_matrix/client/unstable/keys'
    assert.equal(
      (await post('uploadCrossSigningKeys', `${path}/device_signing/upload`, alice, alice.keys.upload())).status,
      200,
    )
    const { body } = await post('uploadCrossSigningSignatures', `${path}/signatures/upload`, alice, {})
    assert.deepEqual(body, { failures: {} })
  })
})

describe('signatures', () => {
  it('of own devices and of the own master key are seen by everybody', async () => {
    const alice = await signedUser()
    const bob = await newUser()
    const failures = await sign(alice, {
      [alice.userId]: {
        [alice.deviceId]: alice.keys.selfSigning.sign(alice.crypto.unsignedKeys()),
        [alice.keys.master.publicKey]: alice.crypto.sign(alice.keys.master.key()),
      },
    })
    assert.deepEqual(failures, {})
    const seen = await query(bob, alice)
    assert.deepEqual(
      seen.device_keys[alice.userId][alice.deviceId],
      alice.keys.selfSigning.sign(alice.crypto.deviceKeys()),
    )
    assert.deepEqual(seen.master_keys[alice.userId], alice.crypto.sign(alice.keys.master.key()))
  })

  it('of the master keys of others are seen by the signer alone', async () => {
    const [alice, bob, carol] = [await signedUser(), await signedUser(), await signedUser()]
    const signed = alice.keys.userSigning.sign(bob.keys.master.key())
    assert.deepEqual(await sign(alice, { [bob.userId]: { [bob.keys.master.publicKey]: signed } }), {})
    assert.deepEqual((await query(alice, bob)).master_keys[bob.userId], signed)
    for (const other of [bob, carol]) {
      assert.deepEqual((await query(other, bob)).master_keys[bob.userId], bob.keys.master.key())
    }
  })

  it('that are forged, or of something else, are refused one by one', async () => {
    const [alice, bob] = [await signedUser(), await signedUser()]
    const mallory = new CrossSigningKeys(alice.userId)
    const { selfSigning, userSigning } = alice.keys
    const device = alice.crypto.unsignedKeys()
    const bobsMaster = bob.keys.master.key()
    const forgedSignature = { [alice.userId]: { [`ed25519:${selfSigning.publicKey}`]: 'AAAA' } }
    const attempts: [errcode: string, userId: string, keyId: string, json: JsonObject][] = [
      ['M_INVALID_SIGNATURE', alice.userId, alice.deviceId, device],
      ['M_INVALID_SIGNATURE', alice.userId, alice.deviceId, { ...device, signatures: forgedSignature }],
      ['M_INVALID_SIGNATURE', alice.userId, alice.deviceId, mallory.selfSigning.sign(device)],
      ['M_INVALID_SIGNATURE', alice.userId, alice.deviceId, userSigning.sign(device)],
      ['M_INVALID_PARAM', alice.userId, alice.deviceId, selfSigning.sign({ ...device, algorithms: [] })],
      ['M_NOT_FOUND', alice.userId, 'OTHER', selfSigning.sign(device)],
      ['M_INVALID_SIGNATURE', alice.userId, alice.keys.master.publicKey, selfSigning.sign(alice.keys.master.key())],
      ['M_INVALID_SIGNATURE', bob.userId, bob.keys.master.publicKey, selfSigning.sign(bobsMaster)],
      ['M_INVALID_PARAM', bob.userId, bob.keys.master.publicKey, userSigning.sign({ ...bobsMaster, more: 1 })],
      ['M_NOT_FOUND', bob.userId, bob.deviceId, userSigning.sign(bob.crypto.unsignedKeys())],
      ['M_NOT_FOUND', '@x:elsewhere.example', 'x', userSigning.sign(bobsMaster)],
      ['M_INVALID_PARAM', 'bob', 'x', userSigning.sign(bobsMaster)],
    ]
    for (const [errcode, userId, keyId, json] of attempts) {
      const failures = await sign(alice, { [userId]: { [keyId]: json } })
      assert.equal(failures[userId]?.[keyId]?.errcode, errcode, JSON.stringify(json))
    }
    const seen = await query(alice, alice)
    assert.deepEqual(signerKeys(seen.device_keys[alice.userId][alice.deviceId], alice), [alice.crypto.keyId])
    const mixed = { [alice.deviceId]: selfSigning.sign(device), OTHER: selfSigning.sign(device) }
    assert.deepEqual(Object.keys((await sign(alice, { [alice.userId]: mixed }))[alice.userId]), ['OTHER'])
    const after = await query(alice, alice)
    assert.equal(signerKeys(after.device_keys[alice.userId][alice.deviceId], alice).length, 2)
  })

  it('come along when keys are uploaded, if they are right', async () => {
    const alice = await signedUser()
    const both = alice.keys.selfSigning.sign(alice.crypto.deviceKeys())
    const put = (device_keys: JsonObject) =>
      hearth.request('POST', '/keys/upload', { token: alice.token, body: { device_keys } })
    const forged = alice.keys.selfSigning.sign(alice.crypto.deviceKeys({ more: 1 }))
    assert.equal((await put({ ...both, signatures: forged['signatures']! })).body.errcode, 'M_INVALID_SIGNATURE')
    assert.equal((await put(both)).status, 200)
    assert.deepEqual((await query(alice, alice)).device_keys[alice.userId][alice.deviceId], both)

    const bob = await newUser()
    const signedMaster = bob.crypto.sign(bob.keys.master.key())
    assert.equal((await upload(bob, { ...bob.keys.upload(), master_key: signedMaster })).status, 200)
    assert.deepEqual((await query(alice, bob)).master_keys[bob.userId], signedMaster)
  })

  it('go with the device that made them, or that they are of', async () => {
    const alice = await signedUser()
    await sign(alice, {
      [alice.userId]: {
        [alice.deviceId]: alice.keys.selfSigning.sign(alice.crypto.unsignedKeys()),
        [alice.keys.master.publicKey]: alice.crypto.sign(alice.keys.master.key()),
      },
    })
    const again = async () => {
      const { auth } = consent(alice)
      const { body } = await hearth.request('POST', '/login', { body: { ...auth, device_id: alice.deviceId } })
      return { ...alice, token: body.access_token as string }
    }
    await hearth.request('POST', '/logout', { token: alice.token, body: {} })
    const back = await again()
    const crypto = new CryptoDevice(back)
    await hearth.request('POST', '/keys/upload', { token: back.token, body: { device_keys: crypto.deviceKeys() } })
    const seen = await query(back, back)
    assert.deepEqual(seen.device_keys[alice.userId][alice.deviceId], crypto.deviceKeys())
    assert.deepEqual(seen.master_keys[alice.userId], alice.keys.master.key())
  })
})
