import type { Load } from './load.ts'
import type { Machine } from './machine.ts'
import type { Sends } from './scenarios.ts'

export type Report = {
  readonly takenAt: string
  readonly machine: Machine
  readonly yardstick: { readonly emptyAnswers: Load; readonly manyRooms: Load; readonly oneRoom: Load }
  readonly server: {
    readonly url: string
    readonly idleMib: number | null
    readonly busyMib: number | null
    readonly idleLoopMs: number | null
    readonly halfLoopMs: number | null
    readonly emptyAnswers: Load
    readonly sends: Sends
    readonly syncLatency: Load
    readonly initialSync: Record<string, Load>
  }
  readonly disk: { readonly name: string; readonly bytes: number }[]
}

/** The figures as tables on standard output. */
export function printReport({ machine, yardstick, server, disk }: Report): void {
  console.log('\nThe machine')
  line('durable SQLite commits', `${whole(machine.durableCommitsPerSecond)} /s`)
  line('Ed25519 signatures', `${whole(machine.signaturesPerSecond)} /s`)
  line('empty HTTP answers, bare', `${whole(yardstick.emptyAnswers.perSecond)} /s`)
  line('yardstick, 100 senders over 100 rooms', rate(yardstick.manyRooms))
  line('yardstick, 100 senders in one room', rate(yardstick.oneRoom))

  console.log(`\nThe server at ${server.url}`)
  line('empty answers (/versions)', rate(server.emptyAnswers))
  for (const [senders, figures] of Object.entries(server.sends.oneRoom)) {
    line(`sends, ${senders} in one room of 100`, rate(figures))
  }
  for (const [senders, figures] of Object.entries(server.sends.manyRooms)) {
    line(`sends, ${senders} over 100 rooms`, rate(figures))
  }
  line('send to a waiting sync', `p50 ${ms(server.syncLatency.p50Ms)}, p99 ${ms(server.syncLatency.p99Ms)}`)
  for (const [rooms, figures] of Object.entries(server.initialSync)) {
    line(`initial sync of ${rooms} rooms`, `p50 ${ms(figures.p50Ms)}`)
  }
  if (server.idleMib !== null) line('resident memory, empty and after all this', memory(server))
  if (server.halfLoopMs !== null && server.idleLoopMs !== null) {
    line('event-loop delay p99, empty and at half load', `${ms(server.idleLoopMs)}, ${ms(server.halfLoopMs)}`)
  }
  for (const { name, bytes } of disk) line(`on disk, ${name}`, `${whole(bytes)} bytes`)

  console.log('\nShares')
  const { manyRooms, oneRoom } = server.sends
  line('of the yardstick, 100 over 100 rooms', share(manyRooms['100'], yardstick.manyRooms))
  line('of the yardstick, 100 in one room', share(oneRoom['100'], yardstick.oneRoom))
  if (server.halfLoopMs !== null && server.idleLoopMs !== null) {
    line('event-loop delay, half load to empty', (server.halfLoopMs / server.idleLoopMs).toFixed(2))
  }
}

function line(name: string, value: string): void {
  console.log(`  ${name.padEnd(48)} ${value}`)
}

const whole = (value: number) => Math.round(value).toLocaleString('en')
const ms = (value: number) => `${value.toFixed(1)} ms`
const rate = ({ perSecond, p50Ms, p99Ms }: Load) => `${whole(perSecond)} /s, p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}`
const share = (part: Load | undefined, of: Load) => ((part?.perSecond ?? 0) / of.perSecond).toFixed(2)
const memory = ({ idleMib, busyMib }: Report['server']) => `${whole(idleMib ?? 0)} MiB, ${whole(busyMib ?? 0)} MiB`
