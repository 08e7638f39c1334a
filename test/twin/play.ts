/** Plays one script on both servers, step by step, and collects what they differ in. */
import { setTimeout as sleep } from 'node:timers/promises'
import { compareJson, compareOutcomes, type Difference } from '#test/twin/compare.ts'
import { enter } from '#test/twin/players.ts'
import type { Call, Script } from '#test/twin/script.ts'
import type { Twins } from '#test/twin/servers.ts'
import type { Side } from '#test/twin/side.ts'
import { Fold } from '#test/twin/sync-fold.ts'

/** A difference, and the step that showed it. */
export type Found = Difference & { readonly at: number }
export type Played = { readonly found: readonly Found[]; readonly requests: ReadonlyMap<string, number> }

/** What a server still does after it answered is waited for, before a difference counts. */
const SETTLE_MS = [150]

let played = 0

/** `isExpected` tells which differences needn't be waited for to go away. */
export async function play(twins: Twins, script: Script, isExpected: (key: string) => boolean): Promise<Played> {
  played += 1
  const tag = `${script.seed}x${played}`
  const [hearth, synapse] = await Promise.all([enter(twins.hearth, tag), enter(twins.synapse, tag)])
  const found: Found[] = []
  const requests = new Map<string, number>()
  const folds = new Map<string, readonly [Fold, Fold]>()
  for (const [at, call] of script.calls.entries()) {
    const differences = await playCall(hearth, synapse, call, folds, isExpected)
    if (differences === null) continue
    requests.set(call.operation, (requests.get(call.operation) ?? 0) + 1)
    found.push(...differences.map((difference) => ({ ...difference, at })))
    // From here on the two have different histories.
    if (call.method !== 'GET' && differences.some(({ parts }) => parts)) break
  }
  return { found, requests }
}

async function playCall(
  hearth: Side,
  synapse: Side,
  call: Call,
  folds: Map<string, readonly [Fold, Fold]>,
  isExpected: (key: string) => boolean,
): Promise<Difference[] | null> {
  const ask = () => Promise.all([hearth.play(call), synapse.play(call)])
  let [ours, theirs] = await ask()
  if (ours === null || theirs === null) return null
  let differences = compareOutcomes(call, ours, theirs)
  for (const ms of call.method === 'GET' ? SETTLE_MS : []) {
    if (differences.every(({ key }) => isExpected(key))) break
    await sleep(ms)
    ;[ours, theirs] = await ask()
    if (ours === null || theirs === null) return null
    differences = compareOutcomes(call, ours, theirs)
  }
  hearth.accept(call, ours)
  synapse.accept(call, theirs)
  // Only syncs that go on from where the client was are folded.
  if (Object.keys(call.binds).length === 0 || call.operation !== 'sync' || ours.status !== 200 || theirs.status !== 200)
    return differences
  const [our, their] = folds.get(call.as!) ?? [new Fold(), new Fold()]
  folds.set(call.as!, [our, their])
  our.add(ours.body)
  their.add(theirs.body)
  compareJson('folded sync:', our.view, their.view, '', differences)
  return differences
}
