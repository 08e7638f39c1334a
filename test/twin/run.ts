/** Plays scripts and the table of bad values, and gathers what isn't listed. */
import { badCallsOf, newWorld, opening, SPENT_BY_SUCCESS } from '#test/twin/bad-values.ts'
import { verdictsDiffer } from '#test/twin/compare.ts'
import type { Ledger } from '#test/twin/differences.ts'
import { generate } from '#test/twin/generate.ts'
import { OPERATIONS } from '#test/twin/operations/table.ts'
import { play } from '#test/twin/play.ts'
import { enter } from '#test/twin/players.ts'
import type { Report } from '#test/twin/report.ts'
import type { Call } from '#test/twin/script.ts'
import type { Twins } from '#test/twin/servers.ts'

const BY_ID = new Map(OPERATIONS.map((operation) => [operation.id, operation]))

/** Adds to the report what isn't listed. @returns how often each operation was played to the end */
export async function runScripts(
  twins: Twins,
  seeds: readonly number[],
  ledger: Ledger,
  report: Report,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const seed of seeds) {
    const script = generate(seed)
    const { found, requests } = await play(twins, script, (key) => ledger.lists(key) || report.has(key))
    for (const difference of found) {
      if (!ledger.lists(difference.key)) report.add(script, difference)
    }
    for (const [id, count] of requests) counts.set(id, (counts.get(id) ?? 0) + count)
  }
  return counts
}

/** Each operation in a setting of its own. @returns how many requests were compared */
export async function runBadValues(twins: Twins, ledger: Ledger, report: Report): Promise<number> {
  let count = 0
  // What ends scripts ends the sessions that all others need.
  for (const operation of OPERATIONS.filter(({ weight }) => weight > 0)) {
    const world = newWorld()
    const first = opening(BY_ID, world)
    let setting: Awaited<ReturnType<typeof enterAndOpen>> | null = null
    for (const { call, what } of badCallsOf(operation, world)) {
      setting ??= await enterAndOpen(twins, `${operation.id.toLowerCase()}-${count}`, first)
      // A name that one request took isn't free for the next.
      for (const side of setting) side.bind('tag', `bad-${operation.id.toLowerCase()}-${count}`)
      const [ours, theirs] = await Promise.all(setting.map((side) => side.play(call)))
      if (ours == null || theirs == null) continue
      count += 1
      const isSpent = SPENT_BY_SUCCESS.includes(operation.id) && ours.status < 300
      const difference = verdictsDiffer(`bad ${operation.id} ${what}`, ours, theirs)
      if (difference !== null && !ledger.lists(difference.key))
        report.add({ seed: 0, calls: [...first, call] }, { ...difference, at: first.length })
      // One did it: the next request is to find both alike.
      if (difference?.parts === true || isSpent) setting = null
    }
  }
  return count
}

async function enterAndOpen(twins: Twins, tag: string, first: readonly Call[]) {
  return Promise.all(
    [twins.hearth, twins.synapse].map(async (url) => {
      const side = await enter(url, tag)
      for (const call of first) {
        const outcome = await side.play(call)
        if (outcome?.status !== 200) throw new Error(`${call.operation} at ${url}: ${JSON.stringify(outcome?.raw)}`)
        side.accept(call, outcome)
      }
      return side
    }),
  )
}
