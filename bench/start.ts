/** What a start costs and what an idle server holds: the packed program beside the sources. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packedProgram } from '../src/cli/packed-program.ts'
import { removeFolder, residentMib, startHearth } from './processes.ts'

const ROOT = join(import.meta.dirname, '..')
const PROGRAMS = { packed: 'src/main.ts', sources: 'bench/from-sources.ts' } as const

type Program = keyof typeof PROGRAMS
type Figures = { readonly readyMs: number; readonly cpuMs: number; readonly idleMib: number }
export type StartFigures = Readonly<Record<Program, Figures>>

/** Starts each in turn, `rounds` times after one that fills the caches; medians. */
export async function measureStart(quick: boolean): Promise<StartFigures> {
  execFileSync(process.execPath, [join(ROOT, 'tools', 'pack.ts')])
  if (packedProgram() === null) throw new Error('The program was not packed')
  const [rounds, idleMs] = quick ? [1, 10_000] : [7, 60_000]
  const runs: Record<Program, Figures[]> = { packed: [], sources: [] }
  for (let round = 0; round <= rounds; round++) {
    for (const program of ['packed', 'sources'] as const) {
      const figures = await measureOnce(program, round === rounds ? idleMs : 0)
      if (round > 0) runs[program].push(figures)
    }
  }
  return { packed: medians(runs.packed), sources: medians(runs.sources) }
}

export function printStart({ packed, sources }: StartFigures): void {
  console.log('From launch to the first answer, on an empty SQLite folder; memory after an idle minute')
  console.log('                 packed   sources   ratio')
  const row = (name: string, of: keyof Figures, unit: string) =>
    console.log(
      `${name.padEnd(12)}${`${packed[of].toFixed(0)} ${unit}`.padStart(11)}${`${sources[of].toFixed(0)} ${unit}`.padStart(10)}${(packed[of] / sources[of]).toFixed(2).padStart(8)}`,
    )
  row('ready', 'readyMs', 'ms')
  row('processor', 'cpuMs', 'ms')
  row('memory', 'idleMib', 'MiB')
}

async function measureOnce(program: Program, idleMs: number): Promise<Figures> {
  const begin = performance.now()
  const running = await startHearth('sqlite', { program: PROGRAMS[program] })
  const readyMs = performance.now() - begin
  const cpuMs = processorMs(running.pid)
  await new Promise((resolve) => setTimeout(resolve, idleMs))
  const idleMib = residentMib(running.pid) ?? 0
  await running.stop()
  removeFolder(running.folder)
  return { readyMs, cpuMs, idleMib }
}

/** User and system time of a process, from /proc in ticks of 10 ms. */
function processorMs(pid: number | null): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}

/** Memory is of the last run, the one that idled. */
function medians(runs: readonly Figures[]): Figures {
  const median = (of: keyof Figures) => runs.map((run) => run[of]).sort((a, b) => a - b)[runs.length >> 1] ?? 0
  return { readyMs: median('readyMs'), cpuMs: median('cpuMs'), idleMib: runs.at(-1)?.idleMib ?? 0 }
}
