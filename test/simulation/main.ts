/**
 * `npm run simulate -- --seeds N [--from S] [--keep]`: runs N seeds, says which promises were broken and what was never
 * tried, and fails for either; `--keep` leaves the databases of broken seeds for a look.
 */
import { parseArgs } from 'node:util'
import { runSeeds } from '#test/simulation/run-seeds.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
})
const say = (line: string) => console.log(line)
const { summary, failures, never } = await runSeeds(Number(values.from), Number(values.seeds), say, values.keep)
console.log(summary)
process.exitCode = failures.length + never.length === 0 ? 0 : 1
