/** Hearth and Synapse side by side, each with a name that leads to it (an explicit port: no well-known, no SRV). */
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { SynapseServer } from '#test/federation/live/synapse-server.ts'
import { synapsePython } from '#test/harness/synapse-python.ts'
import type { Api } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { Hearth } from '#test/system/harness/hearth.ts'

export type Side = {
  readonly name: 'hearth' | 'synapse'
  readonly serverName: string
  /** Where its clients reach it. */
  readonly url: string
  stop(): Promise<unknown>
  boot(): Promise<unknown>
  readonly output: string
}

export type Pair = AsyncDisposable & {
  readonly ca: TestCa
  readonly hearth: Side
  readonly synapse: Side
}

/** Starts both. Throws where Synapse can't be installed or started. */
export async function startPair(): Promise<Pair> {
  await using started = new AsyncDisposableStack()
  const ca = started.use(new TestCa())
  const synapse = started.use(await SynapseServer.start(synapsePython(), ca))
  const hearth = started.use(await startFederatingHearth(ca))
  const ending = started.move()
  return {
    ca,
    synapse: {
      name: 'synapse',
      serverName: synapse.serverName,
      url: synapse.url,
      stop: () => synapse.stop(),
      boot: () => synapse.boot(),
      get output() {
        return synapse.output
      },
    },
    hearth,
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  }
}

type FederatingHearth = Side & AsyncDisposable

async function startFederatingHearth(ca: TestCa): Promise<FederatingHearth> {
  const port = await freePort()
  const serverName = `localhost:${port}`
  const { certFile, keyFile } = ca.issue('localhost', '127.0.0.1')
  const hearth = await Hearth.start({
    listeners: [{ host: '127.0.0.1', port, tls: { cert: certFile, key: keyFile }, resources: ['federation'] }],
    config: {
      server_name: serverName,
      log: { level: 'debug', format: 'json' },
      federation: {
        ca_file: ca.caFile,
        allow_ip_ranges: ['127.0.0.0/8', '::1/128'],
        retry: { base_ms: 200, max_ms: 1_000 },
      },
      rooms: { public_list_over_federation: true, public_list_without_auth: true },
    },
  })
  return {
    name: 'hearth',
    serverName,
    url: hearth.url,
    stop: () => hearth.stop(),
    boot: () => hearth.boot(),
    get output() {
      return hearth.output
    },
    [Symbol.asyncDispose]: () => hearth[Symbol.asyncDispose](),
  }
}

/** What a user sees of a room's state, as type, state key → event id. */
export async function stateIds(user: Api, roomId: string): Promise<Map<string, string>> {
  const events = await user.get(`/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state`)
  return new Map(
    events.map((event: { type: string; state_key: string; event_id: string }) => [
      `${event.type} ${event.state_key}`,
      event.event_id,
    ]),
  )
}
