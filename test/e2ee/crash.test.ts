/**
 * SECURITY.md T13 with real clients: kill -9 while they talk, and while devices come and go. They find the server again
 * by themselves; everything that was said is decrypted, by new devices too.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { deleteDevice } from '#test/e2ee/harness/devices.ts'
import { type EncryptedDevice, reads } from '#test/e2ee/harness/encrypted-device.ts'
import { persistently } from '#test/e2ee/harness/persistently.ts'
import { Scene } from '#test/e2ee/harness/scene.ts'
import { lackOf, reachEachOther, startServers } from '#test/e2ee/harness/servers.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Random, seed } from '#test/system/harness/random.ts'
import { until } from '#test/system/harness/until.ts'

const CYCLES = Number(process.env['HEARTH_TEST_CYCLES'] ?? 3)
const MESSAGES_A_CYCLE = [1, 12] as const
/** The SDK tries a request again after 1, 2, 4 and 8 seconds. */
const PATIENCE_MS = 60_000
const skip = lackOf('nio') ?? false

onEachDatabase('clients and crashes', (database) => {
  for (const topology of ['one Hearth', 'two Hearths'] as const) {
    it(`T13, ${topology}: ${CYCLES} kills while clients talk`, { skip }, async (test) => {
      test.diagnostic(`HEARTH_TEST_SEED=${seed()}`)
      const random = new Random(seed())
      await using servers = await startServers(topology, database)
      await using scene = new Scene(servers)
      const [alice, bob, carol] = await Promise.all([
        scene.user('alice', scene.home),
        scene.user('bob', scene.away),
        scene.user('carol', scene.away),
      ])
      const staying = await Promise.all([scene.sdk(alice), scene.sdk(bob), scene.nio(carol)])
      const roomId = await scene.room(...staying)
      await scene.talk(roomId, staying)

      const said = new Map<string, string>()
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        const owner = random.pick([alice, bob])
        const killed = random.pick(servers.hearths)
        const talk = new Talk(roomId, staying, said)
        // Its keys are published, and its owner's devices change, while the server goes down and comes up.
        const coming = persistently(() => scene.sdk(owner))
        const enough = said.size + random.between(...MESSAGES_A_CYCLE)
        await until(`${enough} messages`, () => said.size >= enough)
        await killed.kill()
        await killed.boot()
        await talk.end()
        await reachEachOther(servers)
        const newcomer = await coming

        const all = [...staying, newcomer]
        await scene.acquainted(roomId, all, PATIENCE_MS)
        // The newcomer first: who couldn't claim its keys while a server was down has a session then.
        await scene.talk(roomId, [newcomer, ...staying], all)
        const own = staying.find(({ userId }) => userId === newcomer.userId)!
        await newcomer[Symbol.asyncDispose]()
        await deleteDevice(own, newcomer.deviceId)
      }
      for (const [eventId, text] of said) {
        for (const device of staying) assert.equal(await reads(device, eventId, PATIENCE_MS), text)
      }
      test.diagnostic(`${said.size} messages were said meanwhile`)
      for (const { output } of servers.hearths) assert.doesNotMatch(output, /"level":(?:50|60)/, output)
    })
  }
})

/** Devices that talk without a break, each one message after the other. */
class Talk {
  readonly #talking: Promise<unknown>
  #isOver = false

  constructor(roomId: string, devices: readonly EncryptedDevice[], said: Map<string, string>) {
    this.#talking = Promise.all(devices.map((device) => this.#talk(roomId, device, said)))
  }

  /** Resolves when all that was begun was acknowledged. */
  async end(): Promise<void> {
    this.#isOver = true
    await this.#talking
  }

  async #talk(roomId: string, device: EncryptedDevice, said: Map<string, string>): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      const text = `${device.deviceId} ${said.size} ${n}`
      said.set(await device.send(roomId, text), text)
    }
  }
}
