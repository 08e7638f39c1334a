/** SECURITY.md T13: kill -9 while messages go from device to device. None is lost, none doubled, all are in order. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { type FederatingHearth, startFederatingHearth } from '#test/harness/federating-server.ts'
import { Api, type Body, RequestFailed, V3 } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Random, seed } from '#test/system/harness/random.ts'
import { until } from '#test/system/harness/until.ts'

const CYCLES = Number(process.env['HEARTH_TEST_CYCLES'] ?? 4)
const TYPE = 'test.count'
const ASK_AGAIN_MS = 25

onEachDatabase('messages to devices and crashes', (database) => {
  for (const [name, count] of [
    ['on one server', 1],
    ['between two servers', 2],
  ] as const) {
    it(`T13, ${name}: ${CYCLES} kills`, async (test) => {
      test.diagnostic(`HEARTH_TEST_SEED=${seed()}`)
      const random = new Random(seed())
      using ca = new TestCa()
      await using started = new AsyncDisposableStack()
      const servers: FederatingHearth[] = []
      for (let i = 0; i < count; i++)
        servers.push(started.use(await startFederatingHearth(ca, { level: 'warn', database })))
      const receiver = new Receiver(await new Api(servers.at(-1)!.url).register('receiver'))
      const senders = await new Api(servers[0]!.url).registerAll(['one', 'two'])
      const numbers = senders.map(() => 0)
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        let isRunning = true
        const sending = senders.map(async (sender, i) => {
          while (isRunning) {
            const n = numbers[i]!++
            await persistently(() => sendNumber(sender, receiver.api, n))
          }
        })
        const reading = (async () => {
          while (isRunning) await persistently(() => receiver.read(100))
        })()
        await sleep(random.between(50, 800))
        const killed = random.pick(servers)
        await killed.kill()
        await killed.boot()
        isRunning = false
        await Promise.all([...sending, reading])
      }
      // Sent last, so what was doubled on the way comes before them.
      for (const [i, sender] of senders.entries()) await sendNumber(sender, receiver.api, numbers[i]!++)
      const total = numbers.reduce((sum, n) => sum + n)
      await until(`${total} messages`, async () => {
        await receiver.read(1_000)
        return receiver.received.length >= total
      })
      const byUser = Map.groupBy(receiver.received, ({ sender }) => sender)
      for (const [i, { userId }] of senders.entries()) {
        assert.deepEqual(
          byUser.get(userId)?.map(({ n }) => n),
          Array.from({ length: numbers[i]! }, (_, n) => n),
        )
      }
      assert.ok(total > CYCLES * 10, 'there was something to lose')
      test.diagnostic(`${receiver.received.length} messages`)
      for (const { output } of servers) assert.doesNotMatch(output, /"level":(?:50|60)/, output)
    })
  }
})

/** Sends a number as a message to the device; the same again is the same transaction. */
async function sendNumber(sender: Api, { userId, deviceId }: Api, n: number): Promise<void> {
  await sender.put(`${V3}/sendToDevice/${TYPE}/${n}`, { messages: { [userId]: { [deviceId]: { n } } } })
}

class Receiver {
  readonly api: Api
  readonly received: { readonly sender: string; readonly n: number }[] = []
  #since: string | undefined

  constructor(api: Api) {
    this.api = api
  }

  async read(timeout: number): Promise<void> {
    const answer: Body = await this.api.sync({ since: this.#since, timeout })
    this.#since = answer.next_batch
    const events: Body[] = (answer.to_device?.events ?? []).filter(({ type }: Body) => type === TYPE)
    for (const { sender, content } of events) this.received.push({ sender, n: content.n })
  }
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
