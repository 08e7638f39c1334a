/** Many who want one one-time key: it is given out once, whoever asks at the same time. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { CryptoDevice } from '#test/harness/crypto-device.ts'
import { Api, V3 } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Hearth } from '#test/system/harness/hearth.ts'

const CLAIMS = 100
const CLAIMERS = 5

onEachDatabase('100 claims at once', (database) => {
  for (const [name, fallback, othersGet] of [
    ['of a device with one key: one gets it, the others nothing', false, []],
    ['of a device with a fallback key too: one gets the key, the others that', true, ['signed_curve25519:fallback']],
  ] as const) {
    it(name, async () => {
      await using hearth = await Hearth.start({ database })
      const anyone = new Api(hearth.url)
      const owner = await anyone.register('owner')
      const claimers = await anyone.registerAll(Array.from({ length: CLAIMERS }, (_, i) => `claimer${i}`))
      const device = new CryptoDevice(owner)
      await owner.post(`${V3}/keys/upload`, {
        device_keys: device.deviceKeys(),
        one_time_keys: device.oneTimeKeys(1),
        ...(fallback ? { fallback_keys: device.fallbackKey() } : {}),
      })
      const wanted = { one_time_keys: { [owner.userId]: { [owner.deviceId]: 'signed_curve25519' } } }
      const answers = await Promise.all(
        Array.from({ length: CLAIMS }, (_, i) => claimers[i % CLAIMERS]!.post(`${V3}/keys/claim`, wanted)),
      )
      const given = answers.map(({ one_time_keys: keys }) => Object.keys(keys[owner.userId]?.[owner.deviceId] ?? {}))
      const [key] = Object.keys(device.oneTimeKeys(1))
      assert.equal(given.filter((names) => names[0] === key).length, 1)
      assert.deepEqual(
        given.filter((names) => names[0] !== key),
        Array.from({ length: CLAIMS - 1 }, () => othersGet),
      )
      const { device_one_time_keys_count: counts, device_unused_fallback_key_types: unused } = await owner.sync()
      assert.deepEqual(counts, { signed_curve25519: 0 })
      assert.deepEqual(unused, [])
    })
  }
})
