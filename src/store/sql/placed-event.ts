import type { EventNid, NewEvent } from '#store/types/events.ts'
import type { StateId, StateKeyNid } from '#store/types/state.ts'
import type { UserNid } from '#store/types/users.ts'

/** An event of an append with everything that was given to it. */
export type PlacedEvent = NewEvent & {
  readonly nid: EventNid
  readonly position: number
  readonly rank: number
  readonly senderNid: UserNid
  readonly generation: number
  readonly prev: readonly EventNid[]
  readonly auth: readonly EventNid[]
  readonly stateBefore: StateId
  readonly stateAfter: StateId
  /** The state key that it sets; null for what isn't accepted state. */
  readonly key: StateKeyNid | null
}
