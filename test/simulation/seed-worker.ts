/** The thread in which seeds are run. */
import { parentPort } from 'node:worker_threads'
import type { Coverage } from '#test/simulation/coverage.ts'
import { simulate } from '#test/simulation/world.ts'

export type SeedOrder = { readonly seed: number; readonly keep: boolean }

export type SeedReport = {
  readonly seed: number
  /** null where it failed. */
  readonly coverage: Coverage | null
  readonly error: string | null
  /** Where the databases of a failed seed are, if they were kept. */
  readonly folder: string | null
}

parentPort?.on('message', async ({ seed, keep }: SeedOrder) => {
  parentPort?.postMessage(await report(seed, keep))
})

async function report(seed: number, keep: boolean): Promise<SeedReport> {
  let folder: string | null = null
  const keepFolder = (where: string) => {
    folder = where
  }
  try {
    const { coverage } = await simulate(seed, keep ? keepFolder : undefined)
    return { seed, coverage, error: null, folder }
  } catch (error) {
    return { seed, coverage: null, error: error instanceof Error ? String(error.stack) : String(error), folder }
  }
}
