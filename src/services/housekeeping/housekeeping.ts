import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'

/** How long a client or another server may repeat a transaction and get the same answer. */
export const TRANSACTIONS_KEPT_MS = 24 * 3_600_000
const ROUND_MS = 3_600_000
/** How long what another server sent to devices is known again when it comes once more: it may have been away for days. */
const MESSAGE_IDS_KEPT_MS = 30 * 24 * 3_600_000
/** After so long without anybody wanting to reach a server, that it couldn't be reached is forgotten. */
const FAILURES_KEPT_MS = 30 * 24 * 3_600_000
/** Events that couldn't be verified, nor since then, are given up. */
const LEFT_OUT_KEPT_MS = 30 * 24 * 3_600_000

type Deps = {
  readonly store: Store
  readonly clock: () => number
  readonly timers: Timers
  readonly onError: (error: unknown) => void
}

/** Drops what has had its time: once an hour, beginning an hour after the start. */
export class Housekeeping {
  readonly #deps: Deps
  #cancel: () => void
  #round: Promise<void> = Promise.resolve()

  constructor(deps: Deps) {
    this.#deps = deps
    this.#cancel = deps.timers.after(ROUND_MS, () => this.#begin())
  }

  /** Ends the rounds, once the one under way is over. To be called before the store closes. */
  async stop(): Promise<void> {
    this.#cancel()
    await this.#round
  }

  #begin(): void {
    const { timers, onError } = this.#deps
    this.#cancel = timers.after(ROUND_MS, () => this.#begin())
    this.#round = this.#round.then(() => this.#tidy()).catch(onError)
  }

  async #tidy(): Promise<void> {
    const now = this.#deps.clock()
    await this.#deps.store.write(async (tx) => {
      await tx.events.forgetTransactions(now - TRANSACTIONS_KEPT_MS)
      await tx.inbound.forgetTransactions(now - TRANSACTIONS_KEPT_MS)
      await tx.inbound.forgetLeftOut(now - LEFT_OUT_KEPT_MS)
      await tx.toDevice.forgetTransactions(now - TRANSACTIONS_KEPT_MS)
      await tx.toDevice.forgetMessageIds(now - MESSAGE_IDS_KEPT_MS)
      await tx.uiaSessions.deleteExpired(now)
      await tx.destinations.deleteFailingBefore(now - FAILURES_KEPT_MS)
    })
  }
}
