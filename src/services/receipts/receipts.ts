import type { EventId, RoomId } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import { invalidParam, notFound } from '#core/matrix-error.ts'
import { accessOfJoined, type RoomAccess, readableEvents } from '#services/timeline/room-access.ts'
import type { Reader } from '#services/timeline/visible-events.ts'
import type { ReadTx, Store, Tx } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'
import type { ReceiptType } from '#store/types/receipts.ts'

/** The fully read marker: a receipt to the API, kept as account data of the room. */
export const FULLY_READ = 'm.fully_read'
/** The thread of all events that are in no other. */
const MAIN_THREAD = 'main'

export type MarkerType = ReceiptType | typeof FULLY_READ

export type Marker = {
  readonly type: MarkerType
  readonly eventId: EventId
  /** null = of the whole room; `main` or a thread root's event id. Fully read markers have none. */
  readonly threadId: string | null
}

type Deps = { readonly store: Store; readonly clock: () => number }

/** Read receipts and fully read markers (client-server API, "Receipts" and "Read and unread markers"). */
export class Receipts {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Moves markers of a joined user, all or none. A marker that stands at its event or a later one already stays.
   *
   * @throws M_FORBIDDEN; M_NOT_FOUND for an event that the user can't read in this room; M_INVALID_PARAM for a thread
   */
  async mark(user: Reader, roomId: RoomId, markers: readonly Marker[]): Promise<void> {
    const ts = this.#deps.clock()
    await this.#deps.store.write(async (tx) => {
      const access = await accessOfJoined(tx, roomId, user)
      for (const marker of markers) {
        const row = await readEvent(tx, access, marker.eventId)
        await checkThread(tx, row, marker)
        await move(tx, user, roomId, row, marker, ts)
      }
    })
  }
}

async function readEvent(tx: ReadTx, access: RoomAccess, eventId: EventId): Promise<EventRow> {
  const row = await tx.events.byId(eventId)
  const [readable] = row === null ? [] : await readableEvents(tx, access, [row])
  if (readable === undefined) throw notFound('The event was not found in this room')
  return readable
}

/** "The `thread_id` is invalid … provided for an incompatible receipt type … `event_id` is not related" to it. */
async function checkThread(tx: ReadTx, row: EventRow, { type, threadId }: Marker): Promise<void> {
  if (threadId === null) return
  if (type === FULLY_READ) throw invalidParam(`${FULLY_READ} takes no thread_id`)
  const { eventId } = row.event
  const root = (await tx.events.threadRoots([row.nid])).get(row.nid) ?? eventId
  // "Thread roots are considered to be in the main timeline"; clients mark them as read in their own thread too.
  const isInThread = threadId === MAIN_THREAD ? root === eventId : root === threadId
  if (!isInThread) throw invalidParam('The event is not in the thread of thread_id')
}

async function move(tx: Tx, user: Reader, roomId: RoomId, row: EventRow, marker: Marker, ts: number): Promise<void> {
  const { type, eventId, threadId } = marker
  const rank = row.rank ?? 0
  if (type !== FULLY_READ) {
    await tx.receipts.put({ roomNid: row.roomNid, userNid: user.userNid, type, threadId, eventId, rank, ts })
    return
  }
  const before = await tx.accountData.get(user.userNid, roomId, FULLY_READ)
  const markedId = before === null ? undefined : member(before, 'event_id')
  const marked = typeof markedId === 'string' ? await tx.events.byId(markedId as EventId) : null
  if (marked?.roomNid === row.roomNid && (marked.rank ?? 0) >= rank) return
  await tx.accountData.put(user.userNid, roomId, FULLY_READ, { event_id: eventId })
}
