/**
 * Clients with real cryptography in encrypted rooms: matrix-js-sdk with its Rust library, and matrix-nio with libolm, on
 * one Hearth, on two, and with a Synapse. Every message that the protocol lets a device read is decrypted.
 */
import { after, before, describe, it } from 'node:test'
import { Scene } from '#test/e2ee/harness/scene.ts'
import { lackOf, type Servers, startServers, TOPOLOGIES } from '#test/e2ee/harness/servers.ts'
import { SCENARIOS } from '#test/e2ee/scenarios.ts'

const TEST_MS_MAX = 120_000

for (const topology of TOPOLOGIES) {
  const skip = lackOf('nio') ?? (topology === 'Hearth and Synapse' ? lackOf('Synapse') : null) ?? false
  describe(topology, { skip }, () => {
    let servers: Servers
    before(async () => {
      servers = await startServers(topology)
    })
    after(() => servers?.[Symbol.asyncDispose]())

    for (const [name, play] of Object.entries(SCENARIOS)) {
      it(name, { timeout: TEST_MS_MAX }, async () => {
        await using scene = new Scene(servers)
        await play(scene)
      })
    }
  })
}
