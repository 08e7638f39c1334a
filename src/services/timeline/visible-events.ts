/** Which of a room's events a user may see: the one place where stored state meets the visibility rules of `core`. */

import type { UserId } from '#core/ids.ts'
import type { HistoryVisibility } from '#core/visibility.ts'
import { isVisibleToUser, readHistoryVisibility, STRANGER } from '#core/visibility.ts'
import { membershipIn } from '#services/timeline/client-events.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'
import type { UserNid } from '#store/types/users.ts'

export type Reader = { readonly userId: UserId; readonly userNid: UserNid }

/**
 * Those of the events (all of one room) that the reader may see, in their order; `null` reads as a stranger, who sees
 * what is world-readable.
 */
export async function visibleEvents(tx: ReadTx, rows: readonly EventRow[], reader: Reader | null): Promise<EventRow[]> {
  const first = rows[0]
  if (first === undefined) return []
  const lastJoin = reader === null ? Number.NEGATIVE_INFINITY : await lastJoinedPosition(tx, first.roomNid, reader)
  const states = new StatesBefore(tx, reader)
  const visible: EventRow[] = []
  for (const row of rows) {
    const visibility = await states.visibility(row.stateBefore)
    const joinedLater = lastJoin > (row.position ?? 0)
    // Most events of a joined user's rooms end here: no look at their own membership back then is needed.
    if (visibility === 'world_readable' || (visibility === 'shared' && joinedLater)) {
      visible.push(row)
      continue
    }
    const viewer =
      reader === null
        ? STRANGER
        : { userId: reader.userId, membership: await states.membership(row.stateBefore), joinedLater }
    if (isVisibleToUser(row.event, visibility, viewer)) visible.push(row)
  }
  return visible
}

/**
 * Until when the user is known to have been joined: forever while joined, else the position of their last leaving. Minus
 * infinity for who was never more than invited, or turned away.
 */
async function lastJoinedPosition(tx: ReadTx, room: RoomNid, reader: Reader): Promise<number> {
  const now = await tx.memberships.one(reader.userNid, room)
  if (now === null) return Number.NEGATIVE_INFINITY
  if (now.membership === 'join') return Number.POSITIVE_INFINITY
  // "the user joined the room at any point after the event was sent": an event of a branch that doesn't know them, and
  // that came while they were joined, is one that they saw come.
  const history = await tx.memberships.history(reader.userNid, room)
  const joined = history.findLastIndex((entry) => entry.membership === 'join')
  const end = joined === -1 ? undefined : history[joined + 1]
  return end?.position ?? Number.NEGATIVE_INFINITY
}

/** Visibility and membership in the states before events, each looked up once a state. */
class StatesBefore {
  readonly #tx: ReadTx
  readonly #reader: Reader | null
  readonly #visibilities = new Map<StateId, HistoryVisibility>()
  readonly #memberships = new Map<StateId, string | null>()

  constructor(tx: ReadTx, reader: Reader | null) {
    this.#tx = tx
    this.#reader = reader
  }

  async visibility(state: StateId): Promise<HistoryVisibility> {
    const known = this.#visibilities.get(state)
    if (known !== undefined) return known
    const visibility = readHistoryVisibility(await this.#content(state, 'm.room.history_visibility', ''))
    this.#visibilities.set(state, visibility)
    return visibility
  }

  async membership(state: StateId): Promise<string | null> {
    if (this.#reader === null) return null
    const known = this.#memberships.get(state)
    if (known !== undefined) return known
    const content = await this.#content(state, 'm.room.member', this.#reader.userId)
    const membership = content === null ? null : membershipIn(content)
    this.#memberships.set(state, membership)
    return membership
  }

  async #content(state: StateId, type: string, stateKey: string) {
    const nid = await this.#tx.state.get(state, type, stateKey)
    if (nid === null) return null
    return (await this.#tx.events.byNids([nid])).get(nid)?.event.content ?? null
  }
}
