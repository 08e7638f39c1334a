/** How tests wait for what clients learn: whoever learned something tells it, and who waits looks again. */
export class News {
  readonly #waiting = new Set<() => void>()

  /** Something changed. */
  tell(): void {
    for (const look of [...this.#waiting]) look()
  }

  /**
   * Resolves with the first value that is something. `describe` is asked for what is known when the deadline passes.
   *
   * @throws Error naming what was waited for
   */
  async until<T>(
    what: string,
    check: () => T | Promise<T>,
    options: { readonly timeoutMs?: number; readonly describe?: () => string } = {},
  ): Promise<NonNullable<T>> {
    const { timeoutMs = DEADLINE_MS, describe = () => '' } = options
    let isLate = false
    let wake = () => {}
    const look = () => wake()
    const timer = setTimeout(() => {
      isLate = true
      wake()
    }, timeoutMs)
    this.#waiting.add(look)
    try {
      for (;;) {
        const changed = new Promise<void>((resolve) => {
          wake = resolve
        })
        const value = await check()
        if (value !== null && value !== undefined && value !== false) return value
        if (isLate) throw new Error(`waited ${timeoutMs} ms in vain for ${what}${describe()}`)
        await changed
      }
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(look)
    }
  }
}

export const DEADLINE_MS = 30_000

/** What `begin` comes to, or an error that names it when that takes too long. */
export function within<T>(
  what: string,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), DEADLINE_MS)
  begin(resolve, reject)
  return promise.finally(() => clearTimeout(timer))
}
