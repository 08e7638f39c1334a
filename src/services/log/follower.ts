import type { Tx } from '#store/store.ts'
import type { Lease, LogEntry, LoggedEvent, LogKind } from '#store/types/log.ts'

/**
 * What a follower wants to hear of: entries of a kind, or of events only those that a user of this server sent
 * (`local_event`, with the event), or only those that change a membership (`member`).
 */
export type Topic = Exclude<LogKind, 'event'> | 'event' | 'local_event' | 'member'

export type FollowedEntry = LogEntry & {
  /** Given with the topic `local_event`, where it is one and isn't rejected. */
  readonly event: LoggedEvent | null
}

/** A stretch of the log. */
export type LogBatch = {
  /** Everything with `from < position ≤ upTo` has been looked at. */
  readonly from: number
  readonly upTo: number
  /** The entries among it that the follower wants, in order. Never none. */
  readonly entries: readonly FollowedEntry[]
}

/** What a batch leads to. Written in one transaction with the follower's position, so that it happens once. */
export type FollowerWrite = {
  write(tx: Tx): Promise<void>
  /** Called after the commit. */
  written?(): void
}

/** The right to follow under a name, and where to go on from. */
export type Claim = { readonly lease: Lease; readonly position: number }

export type Follower = {
  /** Shown in metrics. */
  readonly name: string
  readonly topics: readonly Topic[]
  /** With one, it goes on where the last process ended; without, it begins now and nothing is stored. */
  readonly claim?: Claim
  /** It moves its stored position itself (`moveFollower`), since that is to stay behind what it has handled. */
  readonly movesItself?: boolean
  /** false: nobody wants to know at the moment, and the log goes by unread. Only for followers without a claim. */
  isNeeded?(): boolean
  /** Handles one batch after the other, each until it succeeds. */
  handle(batch: LogBatch): Promise<FollowerWrite | null>
  /** The last batch could not be read, handled or written, and will come again. */
  failed?(): void
}
