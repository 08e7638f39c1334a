/** The servers that a scene plays on. */
import { execFileSync } from 'node:child_process'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { type FederatingHearth, type FederatingServer, startFederatingHearth } from '#test/harness/federating-server.ts'
import { synapsePython } from '#test/harness/synapse-python.ts'
import { SynapseServer } from '#test/harness/synapse-server.ts'
import { Api, V3 } from '#test/system/harness/api.ts'
import type { DatabaseName } from '#test/system/harness/databases.ts'
import { until } from '#test/system/harness/until.ts'

export const TOPOLOGIES = ['one Hearth', 'two Hearths', 'Hearth and Synapse'] as const
export type Topology = (typeof TOPOLOGIES)[number]

export type Servers = AsyncDisposable & {
  readonly topology: Topology
  /** The first is always a Hearth. */
  readonly all: readonly [FederatingServer, ...FederatingServer[]]
  readonly hearths: readonly FederatingHearth[]
  /** A user of each who is in no room. */
  readonly probes: readonly Api[]
}

/** Starts them. @throws Error where Synapse can't be installed or started */
export async function startServers(topology: Topology, database: DatabaseName = 'sqlite'): Promise<Servers> {
  await using started = new AsyncDisposableStack()
  const ca = started.use(new TestCa())
  const hearth = async () => started.use(await startFederatingHearth(ca, { level: 'info', database }))
  const first = await hearth()
  const hearths = topology === 'two Hearths' ? [first, await hearth()] : [first]
  const others =
    topology === 'Hearth and Synapse' ? [started.use(await SynapseServer.start(synapsePython(), ca))] : hearths.slice(1)
  const all: Servers['all'] = [first, ...others]
  const probes = await Promise.all(all.map(({ url }) => new Api(url).register('probe')))
  const ending = started.move()
  return { topology, all, hearths, probes, [Symbol.asyncDispose]: () => ending.disposeAsync() }
}

/** Each server asks each other one once more: after one was away, it isn't tried again at once. */
export async function reachEachOther({ all, probes }: Servers): Promise<void> {
  for (const asking of probes) {
    for (const [i, { serverName }] of all.entries()) {
      await until(`${asking.userId} to reach ${serverName}`, async () => {
        const { userId } = probes[i]!
        const answer = await asking.request('POST', `${V3}/keys/query`, { body: { device_keys: { [userId]: [] } } })
        return answer.status === 200 && answer.body.failures?.[serverName] === undefined
      })
    }
  }
}

/**
 * Why this machine can't take part, or null. Where the environment says `CI`, a lack is a failure instead.
 * @throws Error
 */
export function lackOf(what: 'nio' | 'Synapse'): string | null {
  try {
    if (what === 'nio') execFileSync('/usr/bin/python3', ['-c', 'import nio, olm'], { stdio: 'pipe', cwd: '/' })
    else synapsePython()
    return null
  } catch (error) {
    const message = `${what} is NOT tested with: ${(error as Error).message}`
    if (process.env['CI'] !== undefined) throw new Error(message)
    console.error(message)
    return message
  }
}
