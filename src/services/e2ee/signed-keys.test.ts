import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DeviceId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import {
  checkDeviceKeys,
  crossSigningPublicKey,
  ed25519KeyOf,
  isSignedBy,
  publicKeyOf,
  withSignaturesBy,
} from '#services/e2ee/signed-keys.ts'
import { CrossSigningPair, CryptoDevice } from '#test/harness/crypto-device.ts'

const ALICE = '@alice:hearth.example' as UserId
const PHONE = 'PHONE' as DeviceId
const phone = new CryptoDevice({ userId: ALICE, deviceId: PHONE })
const master = new CrossSigningPair(ALICE, 'master')

describe('device keys', () => {
  it('are right as devices make them, whatever else they hold', () => {
    checkDeviceKeys(phone.deviceKeys(), ALICE, PHONE)
    checkDeviceKeys(phone.deviceKeys({ dehydrated: true, 'org.example': { n: 5 } }), ALICE, PHONE)
    checkDeviceKeys({ ...phone.deviceKeys(), unsigned: { age: 5 } }, ALICE, PHONE)
  })

  it('may lack a signature, and are wrong with a wrong one', () => {
    checkDeviceKeys(phone.unsignedKeys(), ALICE, PHONE)
    checkDeviceKeys(master.sign(phone.unsignedKeys()), ALICE, PHONE)
    for (const signature of ['', 'AAAA', 5]) {
      const keys = { ...phone.unsignedKeys(), signatures: { [ALICE]: { [phone.keyId]: signature } } }
      assert.throws(() => checkDeviceKeys(keys, ALICE, PHONE), { errcode: 'M_INVALID_SIGNATURE' })
    }
  })

  it('are wrong with a number that can’t be signed', () => {
    const keys = { ...phone.deviceKeys(), half: 0.5 }
    assert.throws(() => checkDeviceKeys(keys, ALICE, PHONE), { errcode: 'M_BAD_JSON' })
  })

  it('are wrong under names that objects have by themselves', () => {
    for (const field of ['user_id', 'keys', 'algorithms']) {
      const { [field]: value, ...rest } = phone.deviceKeys()
      const inherited = Object.create({ [field]: value }, Object.getOwnPropertyDescriptors(rest)) as JsonObject
      assert.throws(() => checkDeviceKeys(inherited, ALICE, PHONE), field)
    }
  })
})

describe('public keys', () => {
  it('have one name', () => {
    const { publicKey } = master
    assert.equal(publicKeyOf(master.key()), publicKey)
    assert.equal(crossSigningPublicKey(master.key(), ALICE, 'master'), publicKey)
    const wrong: JsonObject[] = [
      {},
      { [`ed25519:${publicKey}=`]: `${publicKey}=` },
      { [`ed25519:${publicKey}`]: `${publicKey}=` },
      { [`curve25519:${publicKey}`]: publicKey },
      { [`ed25519:${publicKey}`]: publicKey, 'ed25519:x': 'x' },
      { 'ed25519:': '' },
    ]
    for (const keys of wrong) assert.equal(publicKeyOf({ ...master.key(), keys }), null, JSON.stringify(keys))
  })

  it('of one use are none of another', () => {
    assert.throws(() => crossSigningPublicKey(master.key(), ALICE, 'self_signing'), { errcode: 'M_INVALID_PARAM' })
  })
})

describe('signatures', () => {
  const key = ed25519KeyOf(master.publicKey)

  it('cover all but signatures and unsigned', () => {
    const signed = master.sign({ a: 1 })
    assert.ok(isSignedBy(signed, ALICE, key))
    assert.ok(isSignedBy({ ...signed, unsigned: { b: 2 } }, ALICE, key))
    assert.ok(!isSignedBy({ ...signed, b: 2 }, ALICE, key))
    assert.ok(!isSignedBy(signed, '@bob:hearth.example' as UserId, key))
    assert.ok(!isSignedBy({ a: 1 }, ALICE, key))
    assert.ok(!isSignedBy(phone.sign({ a: 1 }), ALICE, key))
  })

  it('that were not asked for are left out', () => {
    const signed = phone.sign(master.sign({ a: 1, unsigned: {} }))
    assert.deepEqual(withSignaturesBy(signed, ALICE, [phone.keyId]), phone.sign({ a: 1 }))
    assert.deepEqual(withSignaturesBy(signed, ALICE, []), { a: 1 })
  })
})
