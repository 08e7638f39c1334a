import type { EventId } from '#core/ids.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

export type ReceiptType = 'm.read' | 'm.read.private'

export type ReceiptRow = {
  readonly roomNid: RoomNid
  readonly userNid: UserNid
  readonly type: ReceiptType
  /** null = unthreaded; 'main' or a thread root's event id. */
  readonly threadId: string | null
  readonly eventId: EventId
  /** Rank of that event. */
  readonly rank: number
  readonly ts: number
  readonly position: number
}

export interface ReceiptReader {
  ofUser(room: RoomNid, user: UserNid): Promise<ReceiptRow[]>
  /** Receipts of a room with `from < position ≤ to`: everyone's public ones and `viewer`'s private ones. */
  ofRoomBetween(room: RoomNid, viewer: UserNid, from: number, to: number): Promise<ReceiptRow[]>
  /** The same, but of others only the newest `most`. */
  newestBetween(room: RoomNid, viewer: UserNid, from: number, to: number, most: number): Promise<ReceiptRow[]>
}

export interface ReceiptStore extends ReceiptReader {
  /** Moves the receipt forward; false (nothing written) when it stands at this event or a later one already. */
  put(receipt: Omit<ReceiptRow, 'position'>): Promise<boolean>
}
