/** Until when a request may wait for news. */
export class Deadline {
  readonly #clock: () => number
  readonly #waitMs: number
  readonly #endTs: number

  /** @param clock milliseconds since 1970 */
  constructor(clock: () => number, waitMs: number) {
    this.#clock = clock
    this.#waitMs = waitMs
    this.#endTs = clock() + waitMs
  }

  /** Milliseconds that are left; 0 or less when it is time to answer. Where the clock is set back, all of them again. */
  get leftMs(): number {
    return Math.min(this.#waitMs, this.#endTs - this.#clock())
  }
}
