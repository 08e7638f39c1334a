import type { EventId } from '#core/ids.ts'
import type { EventNid, NewEvent } from '#store/types/events.ts'
import type { StateId, StateKeyNid } from '#store/types/state.ts'
import type { UserNid } from '#store/types/users.ts'

/** An event of a timeline with everything that was given to it. */
export type TimelineEvent = Omit<NewEvent, 'stateBefore'> & {
  readonly nid: EventNid
  /** It was an outlier: its row exists. */
  readonly isPromoted: boolean
  /** null for history. */
  readonly position: number | null
  readonly rank: number
  readonly senderNid: UserNid
  readonly generation: number
  readonly prev: readonly EventNid[]
  readonly auth: readonly EventNid[]
  /** The previous events that have no place in the timeline. */
  readonly gaps: readonly EventId[]
  readonly stateBefore: StateId
  readonly stateAfter: StateId
  /** The state key that it sets; null for what isn't state, or rejected. */
  readonly key: StateKeyNid | null
}

/** An event of an append. */
export type AppendedEvent = TimelineEvent & { readonly position: number }
