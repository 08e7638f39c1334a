import { MatrixError } from '#core/matrix-error.ts'
import { limitExceeded } from '#services/rate-limits/rate-limiter.ts'

/** Requests of one caller that are worked on at a time: more than clients ask at once, fewer than keep others waiting. */
export const CALLER_RUNNING_MAX = 32
/** Those that wait for their turn; one more is refused. */
export const CALLER_WAITING_MAX = 500
/** Long polls of one caller: one a device. */
export const CALLER_POLLS_MAX = 200
/** What a client is told to wait when too many wait already, in milliseconds. */
const RETRY_MS = 1_000

type Line = { running: number; readonly waiting: (() => void)[] }

/** Nobody waits for the answer. It is given all the same, to the log. */
export function clientGone(): MatrixError {
  return new MatrixError('M_UNKNOWN', 'The client has gone', { status: 499 })
}

/** How many requests of one caller (a user, or an address where there is none) are worked on at a time. */
export class CallerTurns {
  readonly #lines = new Map<string, Line>()

  /** Callers with something under way. */
  get size(): number {
    return this.#lines.size
  }

  /**
   * Does a caller's work when its turn has come.
   *
   * @param runningMax how many of `key` run at a time
   * @param over aborts when nobody waits for the answer any more: then it isn't begun
   * @throws MatrixError M_LIMIT_EXCEEDED where too many wait already; the one of `clientGone`
   */
  async run<T>(key: string, runningMax: number, over: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (over.aborted) throw clientGone()
    const line = this.#line(key)
    if (line.running < runningMax) line.running += 1
    else await this.#wait(line, over)
    try {
      return await work()
    } finally {
      const next = line.waiting.shift()
      // The place goes on to the next one, and is never free between the two.
      if (next !== undefined) next()
      else line.running -= 1
      if (line.running === 0) this.#lines.delete(key)
    }
  }

  #line(key: string): Line {
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = { running: 0, waiting: [] }
      this.#lines.set(key, line)
    }
    return line
  }

  #wait(line: Line, over: AbortSignal): Promise<void> {
    if (line.waiting.length >= CALLER_WAITING_MAX) throw limitExceeded(RETRY_MS)
    return new Promise((resolve, reject) => {
      const onOver = () => {
        line.waiting.splice(line.waiting.indexOf(begin), 1)
        reject(clientGone())
      }
      const begin = () => {
        over.removeEventListener('abort', onOver)
        resolve()
      }
      line.waiting.push(begin)
      over.addEventListener('abort', onOver, { once: true })
    })
  }
}
