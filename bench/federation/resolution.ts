/** Resolves states over graphs of auth events that are made to be slow to walk. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerName } from '#core/ids.ts'
import { resolve } from '#core/state/resolve.ts'
import { Steps } from '#core/state/steps.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import {
  diamonds,
  everyoneDiffers,
  type HostileGraph,
  longChain,
  manyEpochs,
  wideFork,
} from '#test/generators/hostile-graphs.ts'
import { storeGraph } from '#test/generators/stored-graph.ts'
import { type Slices, threadCpuMs, watchSlices } from './slices.ts'

const VERSIONS = ['11', '12']
const GRAPHS = {
  diamonds,
  'a long chain': longChain,
  'a wide fork': (version: string, count: number) => everyoneDiffers(wideFork(version, count)),
  'many epochs': manyEpochs,
}

export type ResolutionFigures = {
  readonly name: string
  readonly events: number
  /** The algorithm alone, with all events in memory: in all, and processor time of its longest slice. */
  readonly coreMs: number
  readonly coreSliceMs: number
  readonly steps: number
  /** As the server does it, with all that it reads from its database. */
  readonly wholeMs: number
  readonly slices: Slices
}

export async function measureResolutions(events: number): Promise<ResolutionFigures[]> {
  const read = watchSlices()
  const figures: ResolutionFigures[] = []
  for (const version of VERSIONS) {
    for (const [name, make] of Object.entries(GRAPHS)) {
      const graph = make(version, events)
      const core = resolveInMemory(graph)
      const whole = await resolveInStore(graph, read)
      figures.push({ name: `${name}, version ${version}`, events: graph.room.events.size, ...core, ...whole })
    }
  }
  return figures
}

function resolveInMemory({ room, states }: HostileGraph): Pick<ResolutionFigures, 'coreMs' | 'coreSliceMs' | 'steps'> {
  const steps = new Steps()
  const slices = resolve(room.rules, states, room.events, { steps })
  const began = performance.now()
  let coreSliceMs = 0
  for (let isDone = false; !isDone; ) {
    const before = threadCpuMs()
    isDone = slices.next().done === true
    coreSliceMs = Math.max(coreSliceMs, threadCpuMs() - before)
  }
  return { coreMs: performance.now() - began, coreSliceMs, steps: steps.total }
}

async function resolveInStore(
  graph: HostileGraph,
  read: () => Slices,
): Promise<Pick<ResolutionFigures, 'wholeMs' | 'slices'>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'hearth-bench-'))
  const { room } = graph
  try {
    const written = await withStore(dataDir, (store) => storeGraph(store, graph))
    // Opened again: nothing is at hand.
    return await withStore(dataDir, async (store) => {
      await nextTick()
      read()
      const began = performance.now()
      await stateBefore(store, written.room, room.rules, written.states)
      const wholeMs = performance.now() - began
      await nextTick()
      return { wholeMs, slices: read() }
    })
  } finally {
    rmSync(dataDir, { recursive: true })
  }
}

async function withStore<T>(dataDir: string, use: (store: Store) => Promise<T>): Promise<T> {
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const serverName = 'here.example' as ServerName
  await using store = await openStore({ database: 'sqlite', dataDir, serverName, clock: Date.now, log })
  return await use(store)
}

/** Until the watch over the event loop has looked again. */
function nextTick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}
