/** The requests that wait for an answer, each with the signal that tells its handler to hurry. */
export type AbortReason = 'gone' | 'stopping'

export class InFlight {
  readonly #controllers = new Set<AbortController>()
  #stopping = false
  #whenEmpty: (() => void) | null = null

  /** Adds a request. The caller hands the controller back to `end` whatever happens. */
  begin(): AbortController {
    const controller = new AbortController()
    if (this.#stopping) controller.abort('stopping' satisfies AbortReason)
    this.#controllers.add(controller)
    return controller
  }

  end(controller: AbortController): void {
    this.#controllers.delete(controller)
    if (this.#controllers.size === 0) this.#whenEmpty?.()
  }

  get size(): number {
    return this.#controllers.size
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** Tells every handler, and those still to come, that the server stops. */
  stop(): void {
    this.#stopping = true
    for (const controller of this.#controllers) controller.abort('stopping' satisfies AbortReason)
  }

  /** Resolves when no request is waiting any more. */
  drained(): Promise<void> {
    if (this.#controllers.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenEmpty = resolve
    })
  }
}
