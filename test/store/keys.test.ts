import assert from 'node:assert/strict'
import type { DeviceId, UserId } from '#core/ids.ts'
import type { JsonValue } from '#core/json/value.ts'
import type { Store } from '#store/store.ts'
import type { CrossSigningKeyRow } from '#store/types/cross-signing-keys.ts'
import type { KeySignatureRow } from '#store/types/key-signatures.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const [ALICE, BOB] = ['@alice:hearth.example', '@bob:hearth.example'] as [UserId, UserId]
const [PHONE, LAPTOP] = ['PHONE', 'LAPTOP'] as [DeviceId, DeviceId]
const CURVE = 'signed_curve25519'

function newUser(store: Store, userId: UserId, ...deviceIds: DeviceId[]): Promise<UserNid> {
  return store.write(async (tx) => {
    const user = await tx.users.intern(userId)
    for (const deviceId of deviceIds) await tx.devices.create(user, { deviceId, displayName: deviceId, createdTs: 6 })
    return user
  })
}

const key = (n: number, value: JsonValue = { key: `key ${n} \0` }) => {
  return { algorithm: CURVE, keyId: `k${n}`, key: value, digest: `digest ${n}` }
}
const keys = (count: number) => Array.from({ length: count }, (_, n) => key(n))

forEachDatabase('device keys', (test) => {
  test('are those of devices that are there', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE, PHONE, LAPTOP)
    const bob = await newUser(store, BOB, PHONE)
    await store.write(async (tx) => {
      await tx.deviceKeys.put(alice, PHONE, { n: 1 })
      await tx.deviceKeys.put(alice, PHONE, { n: 2, odd: '\0' })
      await tx.deviceKeys.put(bob, PHONE, { n: 3 })
    })
    await store.read(async (tx) => {
      assert.deepEqual(await tx.deviceKeys.get(alice, PHONE), { n: 2, odd: '\0' })
      assert.equal(await tx.deviceKeys.get(alice, LAPTOP), null)
      assert.deepEqual(await tx.deviceKeys.ofUsers([]), [])
      assert.deepEqual(await tx.deviceKeys.ofUsers([alice, bob]), [
        { userNid: alice, deviceId: PHONE, keys: { n: 2, odd: '\0' }, displayName: PHONE },
        { userNid: bob, deviceId: PHONE, keys: { n: 3 }, displayName: PHONE },
      ])
    })
    await store.write((tx) => tx.devices.delete(alice, [PHONE]))
    assert.equal(await store.read((tx) => tx.deviceKeys.get(alice, PHONE)), null)
    await assert.rejects(store.write((tx) => tx.deviceKeys.put(alice, PHONE, {})))
  })
})

forEachDatabase('one-time keys', (test) => {
  test('are claimed in their order, once each, and known afterwards', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE, PHONE, LAPTOP)
    await store.write((tx) => tx.oneTimeKeys.add(alice, PHONE, keys(2)))
    const claim = () => store.write((tx) => tx.oneTimeKeys.claim(alice, PHONE, CURVE))
    assert.deepEqual(await claim(), { algorithm: CURVE, keyId: 'k0', key: { key: 'key 0 \0' } })
    assert.deepEqual(await store.read((tx) => tx.oneTimeKeys.counts(alice, PHONE)), new Map([[CURVE, 1]]))
    assert.equal((await claim())?.keyId, 'k1')
    assert.equal(await claim(), null)
    await store.read(async (tx) => {
      assert.deepEqual(await tx.oneTimeKeys.counts(alice, PHONE), new Map())
      const known = { algorithm: CURVE, keyId: 'k1', digest: 'digest 1' }
      assert.deepEqual(await tx.oneTimeKeys.known(alice, PHONE, ['k1', 'k7']), [known])
      assert.deepEqual(await tx.oneTimeKeys.known(alice, LAPTOP, ['k1']), [])
    })
  })

  test('are claimed once though two processes claim at the same time', async (open) => {
    const stores = [await open(), await open()] as const
    const alice = await newUser(stores[0], ALICE, PHONE)
    await stores[0].write((tx) => tx.oneTimeKeys.add(alice, PHONE, keys(60)))
    const claims = Array.from({ length: 100 }, (_, n) =>
      stores[n % 2 === 0 ? 0 : 1].write((tx) => tx.oneTimeKeys.claim(alice, PHONE, CURVE)),
    )
    const claimed = (await Promise.all(claims)).flatMap((found) => (found === null ? [] : [found.keyId]))
    assert.equal(claimed.length, 60)
    assert.equal(new Set(claimed).size, 60)
  })

  test('that were given out are remembered for long, but not for ever', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE, PHONE)
    await store.write(async (tx) => {
      await tx.oneTimeKeys.add(alice, PHONE, keys(1_001))
      for (let n = 0; n < 1_001; n++) await tx.oneTimeKeys.claim(alice, PHONE, CURVE)
      await tx.oneTimeKeys.add(alice, PHONE, [key(2_000)])
    })
    const known = await store.read((tx) => tx.oneTimeKeys.known(alice, PHONE, ['k0', 'k1', 'k2000']))
    assert.deepEqual(known.map(({ keyId }) => keyId).sort(), ['k1', 'k2000'])
    assert.deepEqual(await store.read((tx) => tx.oneTimeKeys.counts(alice, PHONE)), new Map([[CURVE, 1]]))
  })

  test('give way to the fallback key, which knows whether it was used', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE, PHONE)
    const unused = () => store.read((tx) => tx.oneTimeKeys.unusedFallbackTypes(alice, PHONE))
    const put = (n: number) => store.write((tx) => tx.oneTimeKeys.putFallback(alice, PHONE, key(n)))
    const claim = async () => (await store.write((tx) => tx.oneTimeKeys.claim(alice, PHONE, CURVE)))?.keyId
    await put(1)
    await store.write((tx) => tx.oneTimeKeys.add(alice, PHONE, [key(5)]))
    assert.deepEqual([await claim(), await unused()], ['k5', [CURVE]])
    assert.deepEqual([await claim(), await claim(), await unused()], ['k1', 'k1', []])
    await put(2)
    assert.deepEqual(await store.read((tx) => tx.oneTimeKeys.fallbackKeys(alice, PHONE)), [
      { algorithm: CURVE, keyId: 'k2', key: { key: 'key 2 \0' } },
    ])
    assert.deepEqual([await unused(), await claim()], [[CURVE], 'k2'])
    await store.write((tx) => tx.devices.delete(alice, [PHONE]))
    assert.equal(await claim(), undefined)
  })
})

forEachDatabase('one-time keys of a device', (test) => {
  test('are forgotten with those given out and the fallback key, and no other device’s', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE, PHONE, LAPTOP)
    await store.write(async (tx) => {
      for (const device of [PHONE, LAPTOP]) {
        await tx.oneTimeKeys.add(alice, device, keys(2))
        await tx.oneTimeKeys.claim(alice, device, CURVE)
        await tx.oneTimeKeys.putFallback(alice, device, key(9))
      }
      await tx.oneTimeKeys.forget(alice, PHONE)
    })
    await store.read(async (tx) => {
      assert.deepEqual(await tx.oneTimeKeys.known(alice, PHONE, ['k0', 'k1']), [])
      assert.deepEqual(await tx.oneTimeKeys.fallbackKeys(alice, PHONE), [])
      assert.equal((await tx.oneTimeKeys.known(alice, LAPTOP, ['k0', 'k1'])).length, 2)
      assert.equal((await tx.oneTimeKeys.fallbackKeys(alice, LAPTOP)).length, 1)
    })
  })
})

forEachDatabase('cross-signing keys', (test) => {
  test('are one for each use, until they are deleted', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE)
    const bob = await newUser(store, BOB)
    const row = (userNid: UserNid, usage: CrossSigningKeyRow['usage'], publicKey: string): CrossSigningKeyRow => {
      return { userNid, usage, publicKey, key: { publicKey } }
    }
    await store.write(async (tx) => {
      await tx.crossSigningKeys.put(row(alice, 'master', 'old'))
      await tx.crossSigningKeys.put(row(alice, 'master', 'new'))
      await tx.crossSigningKeys.put(row(alice, 'user_signing', 'usk'))
      await tx.crossSigningKeys.put(row(bob, 'master', 'bob'))
    })
    const all = () => store.read((tx) => tx.crossSigningKeys.ofUsers([alice, bob]))
    const [master, userSigning] = [row(alice, 'master', 'new'), row(alice, 'user_signing', 'usk')]
    assert.deepEqual(await all(), [master, userSigning, row(bob, 'master', 'bob')])
    await store.write((tx) => tx.crossSigningKeys.delete(alice, ['master', 'self_signing']))
    assert.deepEqual(await all(), [userSigning, row(bob, 'master', 'bob')])
  })
})

forEachDatabase('key signatures', (test) => {
  test('are seen by all where a user signs own keys, and by the signer alone where they are of others', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE, PHONE)
    const bob = await newUser(store, BOB)
    const row = (target: UserNid, targetKeyId: string, signer: UserNid, signerKeyId: string): KeySignatureRow => {
      return { target, targetKeyId, signer, signerKeyId, signature: 'sig' }
    }
    const own = row(alice, PHONE, alice, 'ed25519:ssk')
    const byPhone = row(alice, 'msk', alice, `ed25519:${PHONE}`)
    const byBob = row(alice, 'msk', bob, 'ed25519:usk')
    const before = store.position()
    await store.write((tx) => tx.keySignatures.put([own, byPhone]))
    assert.equal(store.position(), before, 'the list of devices is the change')
    await store.write((tx) => tx.keySignatures.put([byBob]))
    await store.write((tx) => tx.keySignatures.put([{ ...byBob, signature: 'other' }]))
    const on = async (viewer: UserNid | null) =>
      (await store.read((tx) => tx.keySignatures.on([alice, bob], viewer))).map(({ signature }) => signature).sort()
    assert.deepEqual(
      [await on(null), await on(alice), await on(bob)],
      [
        ['sig', 'sig'],
        ['sig', 'sig'],
        ['other', 'sig', 'sig'],
      ],
    )
    await store.read(async (tx) => {
      const changed = (signer: UserNid, from: number) => tx.keySignatures.changedTargets(signer, from, before + 2)
      assert.deepEqual([await changed(bob, before), await changed(bob, before + 2)], [[alice], []])
      assert.deepEqual(await changed(alice, 0), [])
      assert.deepEqual(
        (await tx.log.between(before, before + 2, 9)).map(({ kind, userNid }) => [kind, userNid]),
        [
          ['device_list', bob],
          ['device_list', bob],
        ],
      )
      assert.deepEqual(await tx.devices.listChanges(before, before + 2), [])
    })
    await store.write((tx) => tx.devices.delete(alice, [PHONE]))
    assert.deepEqual(await on(bob), ['other'])
    await store.write((tx) => tx.keySignatures.forget(alice, ['msk']))
    assert.deepEqual(await on(bob), [])
  })
})

forEachDatabase('dehydrated devices', (test) => {
  test('are one a user, and go with the device', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE, PHONE)
    const get = () => store.read((tx) => tx.dehydratedDevices.get(alice))
    assert.equal(await get(), null)
    const device = { deviceId: PHONE, data: { pickle: '\0' } }
    await store.write((tx) => tx.dehydratedDevices.put(alice, device))
    assert.deepEqual(await get(), device)
    await store.write((tx) => tx.devices.delete(alice, [PHONE]))
    assert.equal(await get(), null)
    await assert.rejects(store.write((tx) => tx.dehydratedDevices.put(alice, device)))
  })

  test('have messages that can be read from any place', async (open) => {
    const store = await open()
    const alice = await newUser(store, ALICE, PHONE)
    for (const n of [1, 2, 3]) {
      await store.write((tx) => tx.toDevice.put(alice, new Map([[PHONE, { n }]])))
    }
    const read = (from: number, limit: number) =>
      store.read((tx) => tx.dehydratedDevices.messages(alice, PHONE, from, limit))
    const [first, second] = await read(0, 2)
    assert.deepEqual([first?.event, second?.event], [{ n: 1 }, { n: 2 }])
    assert.deepEqual(
      (await read(second!.position, 9)).map(({ event }) => event),
      [{ n: 3 }],
    )
  })
})
