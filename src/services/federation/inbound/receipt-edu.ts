/** `m.receipt` from other servers ("Receipts"). */
import { type EventId, isEventId, isRoomId, type RoomId, type ServerName, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isUserOf, joinedRoom } from '#services/federation/inbound/edu-users.ts'
import { StorageFullError } from '#store/errors.ts'
import type { Store, Tx } from '#store/store.ts'

/** Receipts in one EDU that are looked at. */
const RECEIPTS_MAX = 500
const THREAD_ID_LENGTH_MAX = 255

type ReceivedReceipt = {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly eventId: EventId
  readonly threadId: string | null
  readonly ts: number
}

/** Moves the receipts of the other server's users: those who are in the room, for events of that room. */
export async function receiveReceipts(store: Store, origin: ServerName, content: JsonObject): Promise<void> {
  const receipts = [...receiptsIn(content, origin)]
  if (receipts.length === 0) return
  await store.write(async (tx) => {
    for (const receipt of receipts) await put(tx, receipt, origin)
  })
}

async function put(
  tx: Tx,
  { roomId, userId, eventId, threadId, ts }: ReceivedReceipt,
  origin: ServerName,
): Promise<void> {
  const roomNid = await joinedRoom(tx, roomId, userId, origin)
  if (roomNid === null) return
  const row = await tx.events.byId(eventId)
  if (row === null || row.roomNid !== roomNid || row.rank === null || row.rejected) return
  const userNid = await tx.users.intern(userId)
  try {
    await tx.receipts.put({ roomNid, userNid, type: 'm.read', threadId, eventId, rank: row.rank, ts })
  } catch (error) {
    // Nothing was written of this one; the others count.
    if (!(error instanceof StorageFullError)) throw error
  }
}

function* receiptsIn(content: JsonObject, origin: ServerName): Generator<ReceivedReceipt> {
  let seen = 0
  for (const [roomId, byType] of Object.entries(content)) {
    // Private receipts have no business here.
    const byUser = isRoomId(roomId) && isJsonObject(byType) ? member(byType, 'm.read') : undefined
    if (!isRoomId(roomId) || !isJsonObject(byUser)) continue
    // Not by `Object.entries`: there may be a hundred thousand.
    for (const userId of Object.keys(byUser)) {
      if (++seen > RECEIPTS_MAX) return
      const receipt = member(byUser, userId)
      if (!isUserOf(userId, origin) || !isJsonObject(receipt)) continue
      const read = readReceipt(receipt)
      if (read !== null) yield { roomId, userId, ...read }
    }
  }
}

function readReceipt(receipt: JsonObject): Pick<ReceivedReceipt, 'eventId' | 'threadId' | 'ts'> | null {
  const eventIds = member(receipt, 'event_ids')
  const eventId = Array.isArray(eventIds) ? (eventIds as readonly JsonValue[])[0] : undefined
  const data = member(receipt, 'data')
  const ts = isJsonObject(data) ? member(data, 'ts') : undefined
  const threadId = isJsonObject(data) ? (member(data, 'thread_id') ?? null) : null
  if (typeof eventId !== 'string' || !isEventId(eventId)) return null
  if (!Number.isSafeInteger(ts) || (ts as number) < 0) return null
  if (threadId !== null && (typeof threadId !== 'string' || threadId.length > THREAD_ID_LENGTH_MAX)) return null
  return { eventId, threadId, ts: ts as number }
}
