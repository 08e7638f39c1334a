/** SECURITY.md T13: kill -9 while messages go from device to device. None is lost, none doubled, all are in order. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { persistently } from '#test/e2ee/harness/persistently.ts'
import { startServers } from '#test/e2ee/harness/servers.ts'
import { Api, type Body, V3 } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Random, seed } from '#test/system/harness/random.ts'
import { until } from '#test/system/harness/until.ts'

const CYCLES = Number(process.env['HEARTH_TEST_CYCLES'] ?? 4)
const MESSAGES_A_CYCLE = [5, 100] as const
const TYPE = 'test.count'

onEachDatabase('messages to devices and crashes', (database) => {
  for (const topology of ['one Hearth', 'two Hearths'] as const) {
    it(`T13, ${topology}: ${CYCLES} kills`, async (test) => {
      test.diagnostic(`HEARTH_TEST_SEED=${seed()}`)
      const random = new Random(seed())
      await using servers = await startServers(topology, database)
      const { hearths } = servers
      const receiver = new Receiver(await new Api(hearths.at(-1)!.url).register('receiver'))
      const senders = await new Api(hearths[0]!.url).registerAll(['one', 'two'])
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
        const enough = sum(numbers) + random.between(...MESSAGES_A_CYCLE)
        await until(`${enough} messages to be sent`, () => sum(numbers) >= enough)
        const killed = random.pick(hearths)
        await killed.kill()
        await killed.boot()
        isRunning = false
        await Promise.all([...sending, reading])
      }
      // Sent last, so what was doubled on the way comes before them.
      for (const [i, sender] of senders.entries()) await sendNumber(sender, receiver.api, numbers[i]!++)
      const total = sum(numbers)
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
      test.diagnostic(`${receiver.received.length} messages`)
      for (const { output } of hearths) assert.doesNotMatch(output, /"level":(?:50|60)/, output)
    })
  }
})

/** Sends a number as a message to the device; the same again is the same transaction. */
async function sendNumber(sender: Api, { userId, deviceId }: Api, n: number): Promise<void> {
  await sender.put(`${V3}/sendToDevice/${TYPE}/${n}`, { messages: { [userId]: { [deviceId]: { n } } } })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n)
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
