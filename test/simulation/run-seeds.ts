/** Runs many seeds, as many at a time as there are cores, and sums up what they came across. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { addCoverage, COUNTERS, type Coverage, noCoverage } from '#test/simulation/coverage.ts'
import type { SeedOrder, SeedReport } from '#test/simulation/seed-worker.ts'

export type Failure = { readonly seed: number; readonly error: string }

export type Runs = {
  readonly coverage: Coverage
  readonly failures: readonly Failure[]
  /** Counters that stayed zero: something was never tried. */
  readonly never: readonly string[]
  readonly summary: string
}

/** Runs `count` seeds from `first` on. `say` is told of each failure; `keep` leaves its databases for a look. */
export async function runSeeds(first: number, count: number, say: (line: string) => void, keep = false): Promise<Runs> {
  const coverage = noCoverage()
  const failures: Failure[] = []
  const began = performance.now()
  let next = first
  const nextSeed = () => (next < first + count ? next++ : null)
  const take = (report: SeedReport) => {
    if (report.coverage !== null) addCoverage(coverage, report.coverage)
    if (report.error === null) return
    failures.push({ seed: report.seed, error: report.error })
    say(`seed ${report.seed}: ${report.error}${report.folder === null ? '' : `\nits databases: ${report.folder}`}`)
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), count) }, () => work(nextSeed, keep, take)))
  failures.sort((a, b) => a.seed - b.seed)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  const counters = COUNTERS.map((name) => `${name} ${coverage[name]}`).join(', ')
  const broken = failures.map(({ seed }) => seed).join(' ')
  const outcome = failures.length === 0 ? 'all promises kept' : `broken by ${failures.length}: ${broken}`
  const never = COUNTERS.filter((name) => coverage[name] === 0)
  const missing = never.length === 0 ? '' : `\nnever came about: ${never.join(', ')}`
  return {
    coverage,
    failures,
    never,
    summary: `${count} seeds from ${first} in ${seconds} s: ${outcome}\n${counters}${missing}`,
  }
}

/** One worker, which is given one seed after another. */
async function work(nextSeed: () => number | null, keep: boolean, take: (report: SeedReport) => void): Promise<void> {
  const worker = new Worker(new URL('./seed-worker.ts', import.meta.url))
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const order = () => {
    const seed = nextSeed()
    if (seed === null) resolve()
    else worker.postMessage({ seed, keep } satisfies SeedOrder)
  }
  worker.on('message', (report: SeedReport) => {
    take(report)
    order()
  })
  worker.on('error', reject)
  worker.on('exit', () => reject(new Error('A worker of the simulation ended')))
  order()
  try {
    await promise
  } finally {
    await worker.terminate()
  }
}
