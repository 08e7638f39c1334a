import type { EventId } from '#core/ids.ts'
import { leftOf, type Span } from '#services/time/span.ts'
import { lru } from '#store/lru.ts'

/** How a try to fetch missing history failed: nobody could be reached, or those who answered didn't have it. */
export type FillFailure = 'unreachable' | 'useless'

/** Pauses after failed tries, doubled each time. */
const PAUSES: Readonly<Record<FillFailure, { readonly baseMs: number; readonly maxMs: number }>> = {
  unreachable: { baseMs: 30_000, maxMs: 3_600_000 },
  useless: { baseMs: 2 * 3_600_000, maxMs: 10 * 24 * 3_600_000 },
}
const HELD_MAX = 10_000
const DOUBLINGS_MAX = 20

/** Keeps readers from asking for the same missing event over and over. */
export class BackfillPauses {
  readonly #clock: () => number
  readonly #held = lru<EventId, { readonly failures: number; readonly pause: Span; readonly mayCome: boolean }>(
    HELD_MAX,
  )

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Whether the event isn't to be asked for now. */
  isHeld(missing: EventId): boolean {
    const hold = this.#held.get(missing)
    return hold !== undefined && leftOf(hold.pause, this.#clock()) > 0
  }

  /** Whether a server that may have the event could not be reached when it was asked for. */
  mayCome(missing: EventId): boolean {
    return this.#held.get(missing)?.mayCome ?? false
  }

  /** `mayCome` says whether some server could not be reached. */
  failed(missing: EventId, failure: FillFailure, mayCome: boolean): void {
    const failures = Math.min((this.#held.get(missing)?.failures ?? 0) + 1, DOUBLINGS_MAX)
    const { baseMs, maxMs } = PAUSES[failure]
    const ms = Math.min(baseMs * 2 ** (failures - 1), maxMs)
    this.#held.set(missing, { failures, pause: { sinceTs: this.#clock(), ms }, mayCome })
  }

  filled(missing: EventId): void {
    this.#held.delete(missing)
  }
}
