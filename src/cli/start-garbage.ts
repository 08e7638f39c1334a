import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Late enough that the first answers don't wait for it. */
const AFTER_START_MS = 5_000

/**
 * Has V8 collect once what starting leaves behind (text of modules, compiled code that is on disk too): an idle server
 * allocates next to nothing, so V8 would keep these 20 MB until it is busy.
 */
export function collectStartGarbage(): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as (options: object) => void
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    setFlagsFromString('--no-expose-gc')
  }, AFTER_START_MS).unref()
}
