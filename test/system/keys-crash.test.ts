/** SECURITY.md T13: kill -9 while one-time keys are uploaded and claimed. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CryptoDevice } from '#test/harness/crypto-device.ts'
import { Api, V3 } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { Random, seed } from '#test/system/harness/random.ts'

const CYCLES = Number(process.env['HEARTH_TEST_CYCLES'] ?? 4)
const CLAIMERS = 4
/** Keys that one upload brings. */
const BATCH = 20

onEachDatabase('keys and crashes', (database) => {
  it(`T13: ${CYCLES} kills: no one-time key is given out twice, none that was taken in is lost`, async (test) => {
    const random = new Random(seed())
    test.diagnostic(`HEARTH_TEST_SEED=${seed()}`)
    await using hearth = await Hearth.start({ database })
    const owner = new Owner(await new Api(hearth.url).register('owner'))
    const claimer = new Claimer(await new Api(hearth.url).register('claimer'), owner)
    await owner.publish()
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      let running = true
      const busy = [owner.fill(() => running), ...Array.from({ length: CLAIMERS }, () => claimer.work(() => running))]
      await sleep(random.between(50, 800))
      await hearth.kill()
      running = false
      await Promise.all(busy)
      await hearth.boot()
    }
    // What is left, and nothing after it.
    while ((await claimer.claim()) !== null);

    const { claimed, unanswered } = claimer
    test.diagnostic(
      `${owner.acknowledged.size} keys taken in, ${claimed.length} given out, ${unanswered} claims cut off`,
    )
    assert.equal(new Set(claimed).size, claimed.length, 'a key was given out twice')
    assert.ok(claimed.length > CYCLES, 'there was something to lose')
    for (const name of claimed) assert.ok(owner.sent.has(name))
    const missing = owner.acknowledged.difference(new Set(claimed))
    assert.ok(
      missing.size <= unanswered,
      `${missing.size} keys are gone, though only ${unanswered} claims were cut off`,
    )
    assert.doesNotMatch(hearth.output, /"level":(?:50|60)/, hearth.output)
  })
})

/** Uploads keys for as long as it is told to. */
class Owner {
  readonly api: Api
  /** Names of keys that the server may have. */
  readonly sent = new Set<string>()
  /** Names of keys that the server said it has. */
  readonly acknowledged = new Set<string>()
  readonly #device: CryptoDevice

  constructor(api: Api) {
    this.api = api
    this.#device = new CryptoDevice(api)
  }

  async publish(): Promise<void> {
    await this.api.post(`${V3}/keys/upload`, { device_keys: this.#device.deviceKeys() })
  }

  async fill(running: () => boolean): Promise<void> {
    while (running()) {
      const keys = this.#device.oneTimeKeys(BATCH, this.sent.size)
      const names = Object.keys(keys)
      for (const name of names) this.sent.add(name)
      try {
        await this.api.post(`${V3}/keys/upload`, { one_time_keys: keys })
        // A client that got no answer sends the same again; here that must not bring back what was given out.
        await this.api.post(`${V3}/keys/upload`, { one_time_keys: keys })
        for (const name of names) this.acknowledged.add(name)
      } catch {
        return
      }
    }
  }
}

class Claimer {
  /** Names of the keys that were given out, in the order of the answers. */
  readonly claimed: string[] = []
  /** Claims that no answer came to. */
  unanswered = 0
  readonly #api: Api
  readonly #owner: Owner

  constructor(api: Api, owner: Owner) {
    this.#api = api
    this.#owner = owner
  }

  async work(running: () => boolean): Promise<void> {
    while (running()) {
      try {
        await this.claim()
      } catch {
        this.unanswered += 1
        return
      }
    }
  }

  async claim(): Promise<string | null> {
    const { userId, deviceId } = this.#owner.api
    const wanted = { [userId]: { [deviceId]: 'signed_curve25519' } }
    const { one_time_keys: given } = await this.#api.post(`${V3}/keys/claim`, { one_time_keys: wanted })
    const name = Object.keys(given[userId]?.[deviceId] ?? {})[0] ?? null
    if (name !== null) this.claimed.push(name)
    return name
  }
}
