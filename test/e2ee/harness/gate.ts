import { setTimeout as pause } from 'node:timers/promises'

/** While a server is away, the SDK would wait for seconds before it looks again. */
const ASK_AGAIN_MS = 100

/** What lies between a client in this process and its server: it can be shut, and then requests wait. */
export class Gate {
  readonly #ended = new AbortController()
  #opened: PromiseWithResolvers<void> | null = null

  close(): void {
    this.#opened ??= Promise.withResolvers<void>()
  }

  open(): void {
    this.#opened?.resolve()
    this.#opened = null
  }

  /** Nobody hears of anything any more. */
  end(): void {
    this.#ended.abort()
    this.open()
  }

  /** `fetch`, when the gate is open; what is answered meanwhile waits too. What only reads waits for a server. */
  readonly fetch: typeof fetch = async (input, init = {}) => {
    const signals = [this.#ended.signal, ...(init.signal ? [init.signal] : [])]
    const signal = AbortSignal.any(signals)
    for (;;) {
      await this.#opened?.promise
      try {
        const response = await fetch(input, { ...init, signal })
        await this.#opened?.promise
        return response
      } catch (error) {
        if (signal.aborted || (init.method ?? 'GET') !== 'GET') throw error
        await pause(ASK_AGAIN_MS, undefined, { signal })
      }
    }
  }
}
