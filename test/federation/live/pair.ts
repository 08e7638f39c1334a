/** Hearth and Synapse side by side, each with a name that leads to it (an explicit port: no well-known, no SRV). */
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { type FederatingServer, startFederatingHearth } from '#test/harness/federating-server.ts'
import { synapsePython } from '#test/harness/synapse-python.ts'
import { SynapseServer } from '#test/harness/synapse-server.ts'
import type { Api } from '#test/system/harness/api.ts'

export type Side = FederatingServer

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
    synapse,
    hearth,
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
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
