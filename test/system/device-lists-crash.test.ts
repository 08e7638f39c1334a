/** SECURITY.md T13: kill -9 while devices come, change and go. What other servers' clients know of them is the truth. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { CryptoDevice } from '#test/harness/crypto-device.ts'
import { type FederatingHearth, startFederatingHearth } from '#test/harness/federating-server.ts'
import { Api, type Body, RequestFailed, V3 } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Random, seed } from '#test/system/harness/random.ts'
import { until } from '#test/system/harness/until.ts'

const CYCLES = Number(process.env['HEARTH_TEST_CYCLES'] ?? 4)
const ASK_AGAIN_MS = 25
const PASSWORD = 'correct horse battery'

onEachDatabase('device lists and crashes', (database) => {
  it(`T13, between two servers: ${CYCLES} kills`, async (test) => {
    test.diagnostic(`HEARTH_TEST_SEED=${seed()}`)
    const random = new Random(seed())
    using ca = new TestCa()
    await using started = new AsyncDisposableStack()
    const servers: FederatingHearth[] = []
    for (let i = 0; i < 2; i++) servers.push(started.use(await startFederatingHearth(ca, { level: 'warn', database })))
    const [here, there] = servers as [FederatingHearth, FederatingHearth]
    const owner = new Owner(await new Api(here.url).register('owner', PASSWORD), random)
    const watcher = new Watcher(await new Api(there.url).register('watcher', PASSWORD), owner.api.userId)
    const roomId = await owner.api.createRoom({ preset: 'public_chat' })
    await watcher.api.post(`${V3}/join/${encodeURIComponent(roomId)}?via=${encodeURIComponent(here.serverName)}`)
    await owner.change()
    await watcher.begin()
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      let isRunning = true
      const changing = (async () => {
        while (isRunning) await owner.change()
      })()
      const watching = (async () => {
        while (isRunning) await watcher.read(100)
      })()
      await sleep(random.between(50, 800))
      const killed = random.pick(servers)
      await killed.kill()
      await sleep(random.between(0, 500))
      await killed.boot()
      isRunning = false
      await Promise.all([changing, watching])
    }
    const truth = await owner.devices()
    // Only what it is told of makes the watcher ask again.
    await until(
      'the truth',
      async () => {
        await watcher.read(1_000)
        return JSON.stringify(watcher.known) === JSON.stringify(truth)
      },
      60_000,
    )
    // Whoever comes later learns the same.
    const late = new Watcher(await new Api(there.url).register('late', PASSWORD), owner.api.userId)
    await late.api.post(`${V3}/join/${encodeURIComponent(roomId)}?via=${encodeURIComponent(here.serverName)}`)
    await late.begin()
    assert.deepEqual(late.known, truth)
    test.diagnostic(`${owner.changes} changes, ${truth.length} devices, ${watcher.questions} questions`)
    assert.ok(owner.changes > CYCLES * 3, 'there was something to lose')
    for (const { output } of servers) assert.doesNotMatch(output, /"level":(?:50|60)/, output)
  })
})

/** Has devices that come, publish keys and go. */
class Owner {
  readonly api: Api
  changes = 0
  readonly #random: Random
  readonly #others: Api[] = []

  constructor(api: Api, random: Random) {
    this.api = api
    this.#random = random
  }

  /** Goes on until it has happened, whatever ends in between. */
  async change(): Promise<void> {
    if (this.#others.length > 3 && this.#random.between(0, 1) === 0) {
      const gone = this.#others.shift()!
      await persistently(() => gone.request('POST', `${V3}/logout`, { body: {} }))
    } else {
      const session = await persistently(() => this.#login())
      const device = new Api(this.api.url, session)
      this.#others.push(device)
      const keys = { device_keys: new CryptoDevice(device).deviceKeys() }
      await persistently(() => device.post(`${V3}/keys/upload`, keys))
    }
    this.changes += 1
  }

  #login(): Promise<Body> {
    const identifier = { type: 'm.id.user', user: this.api.userId }
    return this.api.post(`${V3}/login`, { type: 'm.login.password', identifier, password: PASSWORD })
  }

  async devices(): Promise<string[]> {
    return devicesOf(this.api, this.api.userId)
  }
}

/** Asks for the devices of somebody whenever it is told to. */
class Watcher {
  readonly api: Api
  known: string[] = []
  questions = 0
  readonly #userId: string
  #since: string | undefined

  constructor(api: Api, userId: string) {
    this.api = api
    this.#userId = userId
  }

  async begin(): Promise<void> {
    await this.read(0)
    await this.#ask()
  }

  async read(timeout: number): Promise<void> {
    const answer: Body = await persistently(() => this.api.sync({ since: this.#since, timeout }))
    if (answer.device_lists.changed.includes(this.#userId)) await this.#ask()
    // Not before: a client that ends in between must be told again.
    this.#since = answer.next_batch
  }

  async #ask(): Promise<void> {
    this.questions += 1
    this.known = await persistently(() => devicesOf(this.api, this.#userId))
  }
}

/** The keys of a user's devices, each in one text. @throws where the user's server can't be asked */
async function devicesOf(api: Api, userId: string): Promise<string[]> {
  const body = await api.post(`${V3}/keys/query`, { device_keys: { [userId]: [] } })
  if (Object.keys(body.failures).length > 0) throw new Error('The server can not be reached')
  return Object.values<Body>(body.device_keys[userId] ?? {})
    .map(({ device_id, keys }) => JSON.stringify([device_id, keys]))
    .sort()
}

/** Until an answer comes. */
async function persistently<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof RequestFailed) throw error
      await sleep(ASK_AGAIN_MS)
    }
  }
}
