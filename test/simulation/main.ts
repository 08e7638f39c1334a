/** `npm run simulate -- --seeds N [--from S]`: runs N seeds and says which promises were broken. */
import { parseArgs } from 'node:util'
import { runSeeds } from '#test/simulation/run-seeds.ts'

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '200' }, from: { type: 'string', default: '1' } },
})
const { summary, failures } = await runSeeds(Number(values.from), Number(values.seeds), (line) => console.log(line))
console.log(summary)
process.exitCode = failures.length === 0 ? 0 : 1
