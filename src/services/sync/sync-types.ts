/** What `/sync` is asked and what it answers (client-server API, "Syncing"). */
import type { Filter } from '#core/filter/filter.ts'
import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { Viewer } from '#services/timeline/client-events.ts'
import type { StreamToken } from '#services/timeline/tokens.ts'
import type { RoomNid } from '#store/types/rooms.ts'

export type SyncRequest = {
  readonly viewer: Viewer
  /** null for an initial sync. */
  readonly since: StreamToken | null
  /** How long to wait for news when there is none. */
  readonly timeoutMs: number
  readonly filter: Filter
  /** All state of all joined rooms, "even if since is set"; the timeline still begins at `since`. */
  readonly fullState: boolean
  /** Where the client wants the state at the end of the timeline, not at its start: the member that will hold it. */
  readonly stateAfter: StateAfter | null
}

/** The name in the specification, and the one that clients used before (MSC4222) and go on to use. */
export type StateAfter = 'state_after' | 'org.matrix.msc4222.state_after'

/** A room as one answer sees it. */
export type RoomView = {
  readonly roomNid: RoomNid
  readonly roomId: RoomId
  /** The client gets the room from scratch: an initial sync, or the user has joined since. */
  readonly isNew: boolean
  /** The client had a timeline of this room before and lost sight of it in between: it can't simply go on. */
  readonly isRejoin: boolean
}

export type Events = { readonly events: readonly JsonObject[] }

export type JoinedRoom = {
  readonly timeline: Events & { readonly limited: boolean; readonly prev_batch: string }
  readonly state?: Events
  readonly state_after?: Events
  readonly 'org.matrix.msc4222.state_after'?: Events
  readonly ephemeral: Events
  readonly account_data: Events
  readonly summary: JsonObject
  readonly unread_notifications: JsonObject
  readonly unread_thread_notifications?: JsonObject
}

export type LeftRoom = Pick<JoinedRoom, 'timeline' | 'account_data' | 'state' | StateAfter>

export type SyncResponse = {
  readonly next_batch: string
  readonly rooms: {
    readonly join: Record<string, JoinedRoom>
    readonly invite: Record<string, { readonly invite_state: Events }>
    readonly knock: Record<string, { readonly knock_state: Events }>
    readonly leave: Record<string, LeftRoom>
  }
  readonly account_data: Events
  readonly presence: Events
  readonly to_device: Events
  readonly device_lists: { readonly changed: readonly string[]; readonly left: readonly string[] }
  readonly device_one_time_keys_count: Record<string, number>
  readonly device_unused_fallback_key_types: readonly string[]
}
