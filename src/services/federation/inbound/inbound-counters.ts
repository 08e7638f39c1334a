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
