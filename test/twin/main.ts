/**
 * `npm run twin -- [--scripts N] [--seed S] [--no-bad-values]`: plays N scripts, those of the seeds from S on, and the table
 * of bad values on Hearth and Synapse, and fails for a difference that differences.txt doesn't list. A long run also fails
 * for an entry that no difference had use for.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Ledger, parseDifferences } from '#test/twin/differences.ts'
import { OPERATIONS } from '#test/twin/operations/table.ts'
import { Report } from '#test/twin/report.ts'
import { runBadValues, runScripts } from '#test/twin/run.ts'
import { startTwins } from '#test/twin/servers.ts'

/** So many scripts show every listed difference. */
const FULL_RUN_SCRIPTS = 400

const { values } = parseArgs({
  options: {
    scripts: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    'bad-values': { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const [scripts, firstSeed] = [Number(values.scripts), Number(values.seed)]
const ledger = new Ledger(parseDifferences(readFileSync(new URL('differences.txt', import.meta.url), 'utf8')))
const report = new Report()
const began = performance.now()
await using twins = await startTwins()
// A stopped run leaves no servers behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => twins[Symbol.asyncDispose]().then(() => process.exit(1)))
}

const seeds = Array.from({ length: scripts }, (_, i) => firstSeed + i)
const counts = await runScripts(twins, seeds, ledger, report)
const bad = values['bad-values'] ? await runBadValues(twins, ledger, report) : 0

console.log((await report.lines(twins)).join('\n'))
const problems = report.size
const unused = scripts >= FULL_RUN_SCRIPTS && bad > 0 ? ledger.unused : []
for (const { line, pattern } of unused) console.log(`differences.txt:${line}: ${pattern}\n    didn't occur any more`)
const never = OPERATIONS.filter(({ id }) => !counts.has(id)).map(({ id }) => id)
const played = [...counts.values()].reduce((sum, count) => sum + count, 0)
if (never.length > 0) console.log(`never played: ${never.join(', ')}`)
const seconds = Math.round((performance.now() - began) / 1000)
console.log(
  `${scripts} scripts from seed ${firstSeed}: ${played} requests; ${bad} with bad values; ${seconds} s; ` +
    `${problems} differences that aren't listed${unused.length > 0 ? `, ${unused.length} listed in vain` : ''}`,
)
process.exitCode = problems + unused.length === 0 ? 0 : 1
