/** Hearth and Synapse side by side. Both bear the same name, so that the ids they make up look the same. */
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { synapsePython } from '#test/harness/synapse-python.ts'
import { SynapseServer } from '#test/harness/synapse-server.ts'
import { Hearth } from '#test/system/harness/hearth.ts'

export const SERVER_NAME = 'twin.example'

export type Twins = AsyncDisposable & {
  /** Where clients reach them. */
  readonly hearth: string
  readonly synapse: string
  /** What Hearth complained of. */
  hearthOutput(): string
}

/** Starts both. @throws Error where Synapse can't be installed or started */
export async function startTwins(): Promise<Twins> {
  await using started = new AsyncDisposableStack()
  const ca = started.use(new TestCa())
  const [synapse, hearth] = await Promise.all([
    SynapseServer.start(synapsePython(), ca, { serverName: SERVER_NAME, config: SYNAPSE_SETTINGS }),
    Hearth.start({ config: { server_name: SERVER_NAME, rooms: HEARTH_ROOMS } }),
  ])
  started.use(synapse)
  started.use(hearth)
  const ending = started.move()
  return {
    hearth: hearth.url,
    synapse: synapse.url,
    hearthOutput: () => hearth.output,
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  }
}

const HEARTH_ROOMS = { public_list_without_auth: true }

/** Where the specification leaves something to settings, both are set alike. */
const SYNAPSE_SETTINGS = {
  allow_guest_access: true,
  default_room_version: '12',
  ui_auth: { session_timeout: 0 },
  experimental_features: {},
}
