/** The last step: events, state, memberships, transactions and the log's entries, in one write. */
import { limitExceeded } from '#services/rate-limits/rate-limiter.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { Store, Tx } from '#store/store.ts'
import { StaleHeadError } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

const RETRY_AFTER_MS = 1_000

/** Where the room stands after a commit. */
export type Committed = { readonly headSeq: number; readonly stateId: StateId }

/**
 * Commits a draft on the head that it was built on. Returns null where that has no events and the room stays where it
 * is.
 *
 * @throws StaleHeadError, DuplicateTransactionError, with nothing written
 */
export function commitDraft(store: Store, draft: RoomDraft, headSeq: number): Promise<Committed | null> {
  const { events, sideWrites, roomNid } = draft
  if (sideWrites.length === 0) return store.append({ roomNid, expectedHeadSeq: headSeq, events })
  return store.write((tx) => appendDraft(tx, draft, roomNid, headSeq))
}

/** Writes a new room, its row and all that is in its draft, as a part of a write. */
export async function writeNewRoom(tx: Tx, draft: RoomDraft): Promise<RoomNid> {
  // Another process made a room of version 12 that is alike in everything, down to the millisecond.
  if ((await tx.rooms.byId(draft.roomId)) !== null) throw limitExceeded(RETRY_AFTER_MS)
  const nid = await tx.rooms.create(draft.roomId, draft.rules.version)
  await appendDraft(tx, draft, nid, 0)
  return nid
}

async function appendDraft(tx: Tx, draft: RoomDraft, roomNid: RoomNid, headSeq: number): Promise<Committed | null> {
  const { events } = draft
  let committed: Committed | null = null
  if (events.length > 0) committed = await tx.events.append({ roomNid, expectedHeadSeq: headSeq, events })
  else if ((await tx.rooms.byNid(roomNid))?.headSeq !== headSeq) throw new StaleHeadError()
  for (const write of draft.sideWrites) await write(tx, roomNid)
  return committed
}
