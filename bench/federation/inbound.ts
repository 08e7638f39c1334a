/** Other servers send events as fast as they are taken. */
import type { Event } from '#core/event/event.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { serveRoom } from '#test/federation/harness/security-scene.ts'
import type { TestCa } from '#test/federation/harness/test-ca.ts'
import { HostileServer } from '#test/federation/hostile-server.ts'
import { Api, V3 } from '#test/system/harness/api.ts'
import { MeasuredHearth } from './measured-hearth.ts'
import type { Slices } from './slices.ts'

const e = encodeURIComponent
/** "This cannot have more than 50 PDUs" */
const PDUS_MAX = 50

export type InboundFigures = {
  readonly name: string
  readonly events: number
  readonly perSecond: number
  /** Of the main thread, for one event. */
  readonly cpuMs: number
  readonly peakMib: number
  readonly slices: Slices
}

/** Members of a large event's content. */
const LARGE_MEMBERS = 3_500

type Sending = { readonly server: HostileServer; readonly batches: readonly (readonly Event[])[] }

/** Each server sends messages to a room of its own; one server's transactions follow each other. */
export async function measureInbound(ca: TestCa, serverCount: number, events: number): Promise<InboundFigures> {
  return measure(ca, `${serverCount} to a room each`, serverCount, (servers) => {
    const rooms = servers.map((server) => new RemoteRoom('11', server.user('owner'), server.signer))
    const write = () =>
      servers.map((server, index) => ({
        server,
        batches: inBatches(messages(rooms[index] as RemoteRoom, Math.ceil(events / serverCount))),
      }))
    return { rooms, write }
  })
}

/** Transactions as long as fifty events make them: each is nearly of the greatest size, and slow to read. */
export async function measureLargeInbound(ca: TestCa, events: number): Promise<InboundFigures> {
  return measure(ca, '1, events of 54 kB', 1, (servers) => {
    const [server] = servers as [HostileServer]
    const room = new RemoteRoom('11', server.user('owner'), server.signer)
    const content = Object.fromEntries(Array.from({ length: LARGE_MEMBERS }, (_, n) => [`key ${n}`, n]))
    const write = () => [{ server, batches: inBatches(Array.from({ length: events }, () => room.send(content))) }]
    return { rooms: [room], write }
  })
}

/**
 * All servers send to one room at one time. None knows what the others say in the same round of transactions: the room
 * forks into as many branches, and the first events of the next round join them.
 */
export async function measureForkedInbound(ca: TestCa, serverCount: number, events: number): Promise<InboundFigures> {
  return measure(ca, `${serverCount} to one room`, serverCount, (servers) => {
    const room = new RemoteRoom('11', servers[0]!.user('owner'), servers[0]!.signer)
    for (const server of servers.slice(1))
      room.member(server.user('owner'), 'join', server.user('owner'), server.signer)
    const write = () => {
      const sendings = servers.map((server) => ({ server, batches: [] as Event[][] }))
      for (let round = 0; round * serverCount * PDUS_MAX < events; round++) {
        const before = room.tips
        const added = sendings.flatMap(({ server, batches }) => {
          const batch: Event[] = []
          for (let n = 0; n < PDUS_MAX; n++) {
            const sender = server.user('owner')
            batch.push(
              room.event({ sender, signer: server.signer, prevEvents: batch.length === 0 ? before : batch.slice(-1) }),
            )
          }
          batches.push(batch)
          return batch
        })
        for (const event of added) room.add(event)
      }
      return sendings
    }
    return { rooms: [room], write }
  })
}

async function measure(
  ca: TestCa,
  name: string,
  serverCount: number,
  make: (servers: readonly HostileServer[]) => {
    readonly rooms: readonly RemoteRoom[]
    readonly write: () => readonly Sending[]
  },
): Promise<InboundFigures> {
  await using opened = new AsyncDisposableStack()
  const servers: HostileServer[] = []
  for (let i = 0; i < serverCount; i++) {
    servers.push(opened.use(await HostileServer.start(`sender${i}.example`, ca)))
  }
  const { rooms, write } = make(servers)
  for (const [index, room] of rooms.entries()) serveRoom(servers[index] as HostileServer, room)
  const hearth = opened.use(await MeasuredHearth.start(ca, servers))
  const alice = await new Api(hearth.url).register('alice')
  for (const [index, room] of rooms.entries()) {
    await alice.post(`${V3}/join/${e(room.roomId)}?via=${servers[index]?.serverName}`)
  }
  const sendings = write()
  hearth.forgetPeak()
  await hearth.slices()
  const cpuBefore = hearth.mainThreadMs
  const began = performance.now()
  await Promise.all(sendings.map((sending) => sendAll(sending, hearth)))
  const seconds = (performance.now() - began) / 1000
  const events = sendings.flatMap(({ batches }) => batches).flat()
  return {
    name,
    events: events.length,
    perSecond: events.length / seconds,
    cpuMs: (hearth.mainThreadMs - cpuBefore) / events.length,
    peakMib: hearth.peakMib,
    slices: await hearth.slices(),
  }
}

async function sendAll({ server, batches }: Sending, hearth: MeasuredHearth): Promise<void> {
  for (const batch of batches) {
    const { status, body } = await server.send(
      hearth,
      batch.map(({ json }) => json),
    )
    const refused = Object.values(body.pdus ?? {}).find((answer) => (answer as { error?: string }).error !== undefined)
    if (status !== 200 || refused !== undefined) throw new Error(`${status} ${JSON.stringify(refused ?? body)}`)
  }
}

function messages(room: RemoteRoom, count: number): Event[] {
  return Array.from({ length: count }, (_, n) =>
    room.send({ msgtype: 'm.text', body: `${n}: ${'the quick brown fox '.repeat(6)}` }),
  )
}

function inBatches(events: readonly Event[]): Event[][] {
  return Array.from({ length: Math.ceil(events.length / PDUS_MAX) }, (_, i) =>
    events.slice(i * PDUS_MAX, (i + 1) * PDUS_MAX),
  )
}
