import type { Event } from '#core/event/event.ts'
import { type JsonObject, member } from '#core/json/value.ts'

/** The values of `m.room.history_visibility`, the most open one first. */
export type HistoryVisibility = 'world_readable' | 'shared' | 'invited' | 'joined'

/** What visibility needs of an event. */
export type ViewedEvent = Pick<Event, 'type' | 'stateKey' | 'content'>

/** One user against one event. */
export type Viewer = {
  /** null for a reader without an account. */
  readonly userId: string | null
  /** `membership` in the room's state just before the event; null if there was none. */
  readonly membership: string | null
  /** Whether the user joined the room at any point after the event. */
  readonly joinedLater: boolean
}

/**
 * Reads the content of the room's `m.room.history_visibility`: "if no `history_visibility` is set, or if the value is
 * not understood, the visibility is assumed to be `shared`".
 */
export function readHistoryVisibility(content: JsonObject | null): HistoryVisibility {
  const value = content === null ? undefined : member(content, 'history_visibility')
  return value === 'world_readable' || value === 'invited' || value === 'joined' ? value : 'shared'
}

/**
 * Whether a user may see an event (specification, "Room History Visibility"): the one place that decides it. What the
 * event itself changes is taken into account here, so callers give the state just before the event. A user's own
 * membership events follow the same rules: a join and whatever ends it are always visible, a refused invitation only
 * where the visibility before allows it.
 *
 * @param before The room's history visibility just before the event.
 */
export function isVisibleToUser(event: ViewedEvent, before: HistoryVisibility, viewer: Viewer): boolean {
  if (isAllowed(before, viewer.membership, viewer.joinedLater)) return true
  // "For m.room.history_visibility events themselves, the user should be allowed to see the event if the
  // history_visibility before or after the event would allow them to see it."
  if (event.type === 'm.room.history_visibility' && event.stateKey === '') {
    return isAllowed(readHistoryVisibility(event.content), viewer.membership, viewer.joinedLater)
  }
  // "Likewise, for the user's own m.room.member events, the user should be allowed to see the event if their
  // membership before or after the event would allow them to see it."
  if (event.type === 'm.room.member' && event.stateKey !== null && event.stateKey === viewer.userId) {
    const after = member(event.content, 'membership')
    return isAllowed(before, typeof after === 'string' ? after : null, viewer.joinedLater)
  }
  return false
}

/**
 * Whether any user of a server may see an event, and so the server itself.
 *
 * @param users The server's users that have or had a membership in the room; read only as far as needed.
 */
export function isVisibleToServer(event: ViewedEvent, before: HistoryVisibility, users: Iterable<Viewer>): boolean {
  if (isVisibleToUser(event, before, STRANGER)) return true
  for (const user of users) {
    if (isVisibleToUser(event, before, user)) return true
  }
  return false
}

/** Someone who never was in the room: sees what is `world_readable`. */
export const STRANGER: Viewer = { userId: null, membership: null, joinedLater: false }

/** The five rules, in their order. */
function isAllowed(visibility: HistoryVisibility, membership: string | null, joinedLater: boolean): boolean {
  // 1. "If the history_visibility was set to world_readable, allow."
  if (visibility === 'world_readable') return true
  // 2. "If the user's membership was join, allow."
  if (membership === 'join') return true
  // 3. "If history_visibility was set to shared, and the user joined the room at any point after the event was sent."
  if (visibility === 'shared' && joinedLater) return true
  // 4. "If the user's membership was invite, and the history_visibility was set to invited, allow."
  return visibility === 'invited' && membership === 'invite'
  // 5. "Otherwise, deny."
}
