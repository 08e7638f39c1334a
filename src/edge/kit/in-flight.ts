/** The requests that wait for an answer, each with the signals that tell its handler to hurry, or to let it be. */

import { CLIENT_GONE } from '#services/time/abandoned.ts'

/** The client went away; the server stops, and wants an answer at once; it stopped, and answered in the handler's place. */
export type AbortReason = typeof CLIENT_GONE | 'stopping' | 'cut off'

export class OpenRequest {
  readonly #handler = new AbortController()
  readonly #over = new AbortController()
  readonly #answerUnavailable: () => void

  /** @param answerUnavailable sends a 503 */
  constructor(answerUnavailable: () => void) {
    this.#answerUnavailable = answerUnavailable
  }

  /** For the handler: aborts when it is to answer at once. */
  get signal(): AbortSignal {
    return this.#handler.signal
  }

  /** Aborts when nobody waits for the answer any more. What hasn't begun isn't begun then. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  stop(): void {
    this.#handler.abort('stopping' satisfies AbortReason)
  }

  /** The client went away. */
  leave(): void {
    this.#end(CLIENT_GONE)
  }

  /** Answers 503; what the handler still says goes nowhere. */
  cutOff(): void {
    this.#end('cut off')
    this.#answerUnavailable()
  }

  #end(reason: AbortReason): void {
    this.#handler.abort(reason)
    this.#over.abort(reason)
  }
}

export class InFlight {
  readonly #open = new Set<OpenRequest>()
  #stopping = false
  #whenEmpty: (() => void) | null = null

  /** Adds a request, to be handed to `end` whatever happens. */
  begin(request: OpenRequest): void {
    if (this.#stopping) request.stop()
    this.#open.add(request)
  }

  end(request: OpenRequest): void {
    this.#open.delete(request)
    if (this.#open.size === 0) this.#whenEmpty?.()
  }

  get size(): number {
    return this.#open.size
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** Tells every handler, and those still to come, that the server stops. */
  stop(): void {
    this.#stopping = true
    for (const request of this.#open) request.stop()
  }

  /** Answers all that are still open with 503. */
  cutOff(): void {
    for (const request of this.#open) request.cutOff()
  }

  /** Resolves when no request is waiting any more. */
  drained(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenEmpty = resolve
    })
  }
}
