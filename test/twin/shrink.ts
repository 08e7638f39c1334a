/** Finds a short script that still shows a difference: chunks of its steps are left out as long as it stays. */
import { play } from '#test/twin/play.ts'
import type { Call, Script } from '#test/twin/script.ts'
import type { Twins } from '#test/twin/servers.ts'

const PLAYS_MAX = 40

/** The shortest script found, with the difference at its last step. */
export async function shrink(twins: Twins, script: Script, at: number, key: string): Promise<Script> {
  let plays = 0
  const shows = async (calls: readonly Call[]): Promise<readonly Call[] | null> => {
    plays += 1
    const { found } = await play(twins, { ...script, calls }, (other) => other !== key)
    const first = found.find((difference) => difference.key === key)
    return first === undefined ? null : calls.slice(0, first.at + 1)
  }
  let calls: readonly Call[] = script.calls.slice(0, at + 1)
  for (let size = Math.ceil(calls.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let end = calls.length - 1; end > 0 && plays < PLAYS_MAX; end -= size) {
      const without = [...calls.slice(0, Math.max(0, end - size)), ...calls.slice(end)]
      calls = (await shows(without)) ?? calls
      end = Math.min(end, calls.length)
    }
  }
  return { ...script, calls }
}
