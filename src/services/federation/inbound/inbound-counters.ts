import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'

/** What the inbound side has done since the start, for metrics and tests. */
export type InboundCounters = {
  accepted: number
  softFailed: number
  rejected: number
  /** Not even kept: malformed, badly signed, or shut out. */
  dropped: number
  /** Rejected at first for lack of others, and accepted since. */
  unrejected: number
  /** Gaps of which something could be fetched. */
  gapsFilled: number
  statesFetched: number
  backfilled: number
}

export function newInboundCounters(): InboundCounters {
  return {
    accepted: 0,
    softFailed: 0,
    rejected: 0,
    dropped: 0,
    unrejected: 0,
    gapsFilled: 0,
    statesFetched: 0,
    backfilled: 0,
  }
}

const EDU_TYPES = [
  'm.typing',
  'm.receipt',
  'm.presence',
  'm.direct_to_device',
  'm.device_list_update',
  'm.signing_key_update',
] as const
type EduType = (typeof EDU_TYPES)[number] | 'other'

/** The EDUs that came in since the start, by type; those that nobody knows count together. */
export class EduCounts {
  readonly #counts = new Map<EduType, number>([...EDU_TYPES, 'other' as const].map((type) => [type, 0]))

  add(edus: readonly JsonValue[]): void {
    for (const edu of edus) {
      const named = isJsonObject(edu) ? member(edu, 'edu_type') : undefined
      const type = EDU_TYPES.find((known) => known === named) ?? 'other'
      this.#counts.set(type, (this.#counts.get(type) ?? 0) + 1)
    }
  }

  get byType(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
