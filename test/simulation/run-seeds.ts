import { addCoverage, COUNTERS, type Coverage, noCoverage } from '#test/simulation/coverage.ts'
import { simulate } from '#test/simulation/world.ts'

export type Runs = {
  readonly coverage: Coverage
  readonly failures: readonly { readonly seed: number; readonly error: unknown }[]
  readonly summary: string
}

/** Runs `count` seeds from `first` on. `say` is told of each failure; `keep` leaves its databases for a look. */
export async function runSeeds(first: number, count: number, say: (line: string) => void, keep = false): Promise<Runs> {
  const coverage = noCoverage()
  const failures: { seed: number; error: unknown }[] = []
  const began = performance.now()
  for (let seed = first; seed < first + count; seed++) {
    try {
      addCoverage(coverage, (await simulate(seed, keep ? say : undefined)).coverage)
    } catch (error) {
      failures.push({ seed, error })
      say(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`)
    }
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  const counters = COUNTERS.map((name) => `${name} ${coverage[name]}`).join(', ')
  const broken = failures.map(({ seed }) => seed).join(' ')
  const outcome = failures.length === 0 ? 'all promises kept' : `broken by ${failures.length}: ${broken}`
  return { coverage, failures, summary: `${count} seeds from ${first} in ${seconds} s: ${outcome}\n${counters}` }
}
