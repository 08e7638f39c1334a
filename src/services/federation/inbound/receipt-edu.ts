/** `m.receipt` from other servers ("Receipts"). */
import { type EventId, isEventId, isRoomId, type RoomId, type ServerName, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isUserOf, joinedRoom } from '#services/federation/inbound/edu-users.ts'
import { StorageFullError } from '#store/errors.ts'
import type { Store, Tx } from '#store/store.ts'

/** Receipts in one EDU that are looked at. */
const RECEIPTS_MAX = 500
const THREAD_ID_LENGTH_MAX = 255

type Told = {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly eventId: EventId
  readonly threadId: string | null
  readonly ts: number
}

/** Moves the receipts of the other server's users: those who are in the room, for events of that room. */
export async function receiveReceipts(store: Store, origin: ServerName, content: JsonObject): Promise<void> {
  const told = [...receiptsIn(content, origin)]
  if (told.length === 0) return
  await store.write(async (tx) => {
    for (const receipt of told) await put(tx, receipt, origin)
  })
}

async function put(tx: Tx, { roomId, userId, eventId, threadId, ts }: Told, origin: ServerName): Promise<void> {
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

function* receiptsIn(content: JsonObject, origin: ServerName): Generator<Told> {
  let seen = 0
  for (const [roomId, byType] of Object.entries(content)) {
    // Private receipts have no business here.
    const read = isRoomId(roomId) && isJsonObject(byType) ? member(byType, 'm.read') : undefined
    if (!isRoomId(roomId) || !isJsonObject(read)) continue
    // Not by `Object.entries`: there may be a hundred thousand.
    for (const userId of Object.keys(read)) {
      if (++seen > RECEIPTS_MAX) return
      const receipt = member(read, userId)
      if (!isUserOf(userId, origin) || !isJsonObject(receipt)) continue
      const told = readReceipt(receipt)
      if (told !== null) yield { roomId, userId, ...told }
    }
  }
}

function readReceipt(receipt: JsonObject): Pick<Told, 'eventId' | 'threadId' | 'ts'> | null {
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
