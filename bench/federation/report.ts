/**
 * What federation costs, as tables. A slice is one turn of the server's event loop: processor time of its main thread,
 * and in brackets how many turns took more than 20 ms.
 */
import type { Machine } from '../machine.ts'
import type { InboundFigures } from './inbound.ts'
import type { JoinFigures } from './joins.ts'
import type { FederationFigures } from './measure.ts'
import type { ResolutionFigures } from './resolution.ts'
import type { Slices } from './slices.ts'

export function printFederation(machine: Machine, { joins, inbound, resolutions }: FederationFigures): void {
  console.log('\nThe machine')
  console.log(`  durable SQLite commits ${whole(machine.durableCommitsPerSecond)} /s`)
  console.log(`  Ed25519 signatures ${whole(machine.signaturesPerSecond)} /s`)

  console.log('\nJoining a room by way of another server')
  table(
    ['members', 'answer', 'joined', 'first message', 'complete', 'memory before, peak', 'longest slice'],
    joins.map(joinRow),
  )

  console.log('\nEvents from other servers, in transactions of 50')
  table(
    ['servers', 'events', 'a second', 'of signatures', 'main thread', 'peak memory', 'longest slice'],
    [...inbound.map((figures) => inboundRow(figures, machine))],
  )

  console.log('\nState resolution')
  table(
    ['graph', 'events', 'steps', 'alone', 'its slice', 'with reading', 'longest slice'],
    resolutions.map(resolutionRow),
  )
}

function joinRow(figures: JoinFigures): string[] {
  const { members, partial, joinedMs, firstMessageMs, completeMs, residentBeforeMib, peakMib, slices } = figures
  return [
    whole(members),
    partial ? 'without members' : 'with members',
    ms(joinedMs),
    ms(firstMessageMs),
    ms(completeMs),
    `${whole(residentBeforeMib)}, ${whole(peakMib)} MiB`,
    slice(slices),
  ]
}

function inboundRow({ name, events, perSecond, cpuMs, peakMib, slices }: InboundFigures, machine: Machine): string[] {
  const share = (perSecond / machine.signaturesPerSecond).toFixed(2)
  return [
    name,
    whole(events),
    whole(perSecond),
    share,
    `${cpuMs.toFixed(2)} ms each`,
    `${whole(peakMib)} MiB`,
    slice(slices),
  ]
}

function resolutionRow({ name, events, steps, coreMs, coreSliceMs, wholeMs, slices }: ResolutionFigures): string[] {
  return [name, whole(events), whole(steps), ms(coreMs), ms(coreSliceMs), ms(wholeMs), slice(slices)]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  for (const row of all) {
    console.log(`  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
  }
}

const whole = (value: number) => Math.round(value).toLocaleString('en')
const ms = (value: number) => `${whole(value)} ms`
const slice = ({ cpuMs, overLimit }: Slices) => `${whole(cpuMs)} ms (${overLimit})`
