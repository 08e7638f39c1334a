import type { EventId } from '#core/ids.ts'
import { StorageFullError } from '#store/errors.ts'
import { logStore } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { ReceiptsTables } from '#store/sql/tables/receipts.ts'
import type { ReceiptRow, ReceiptStore, ReceiptType } from '#store/types/receipts.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** The types by their numbers in the database. */
const RECEIPT_TYPES: readonly ReceiptType[] = ['m.read', 'm.read.private']
const PRIVATE = RECEIPT_TYPES.indexOf('m.read.private')

export function receiptStore(sql: Sql): ReceiptStore {
  const log = perConnection(sql, logStore)
  const use = perConnection(sql, storageUse)
  const ofUser = sql.prepare((db, p: { room: number; user: number }) =>
    db.selectFrom('receipts').selectAll().where('room_nid', '=', p.room).where('user_nid', '=', p.user),
  )
  const between = sql.prepare((db, p: { room: number; viewer: number; from: number; to: number }) =>
    db
      .selectFrom('receipts')
      .selectAll()
      .where('room_nid', '=', p.room)
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .where((is) => is.or([is('type', '<>', PRIVATE), is('user_nid', '=', p.viewer)]))
      .orderBy('position'),
  )
  const newest = sql.prepare((db, p: { room: number; viewer: number; from: number; to: number; most: number }) =>
    db
      .selectFrom('receipts')
      .selectAll()
      .where('room_nid', '=', p.room)
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .where('user_nid', '<>', p.viewer)
      .where('type', '<>', PRIVATE)
      .orderBy('position', 'desc')
      .limit(p.most),
  )
  const rankOf = sql.prepare((db, p: { room: number; user: number; type: number; thread: string }) =>
    db
      .selectFrom('receipts')
      .select('rank')
      .where('room_nid', '=', p.room)
      .where('user_nid', '=', p.user)
      .where('type', '=', p.type)
      .where('thread_id', '=', p.thread),
  )
  const put = sql.prepare(
    (
      db,
      p: {
        room: number
        user: number
        type: number
        thread: string
        event: string
        rank: number
        ts: number
        position: number
      },
    ) =>
      db
        .insertInto('receipts')
        .values({
          room_nid: p.room,
          user_nid: p.user,
          type: p.type,
          thread_id: p.thread,
          event_id: p.event,
          rank: p.rank,
          ts: p.ts,
          position: p.position,
        })
        .onConflict((conflict) =>
          conflict
            .columns(['room_nid', 'user_nid', 'type', 'thread_id'])
            .doUpdateSet({ event_id: p.event, rank: p.rank, ts: p.ts, position: p.position })
            // Another process may have moved it between the look-up and the lock that a position takes.
            .where('receipts.rank', '<', p.rank),
        ),
  )

  return {
    async ofUser(room, user) {
      return (await ofUser.all({ room, user })).map(receipt)
    },

    async ofRoomBetween(room, viewer, from, to) {
      return (await between.all({ room, viewer, from, to })).map(receipt)
    },

    async newestBetween(room, viewer, from, to, most) {
      const own = (await ofUser.all({ room, user: viewer })).filter(({ position }) => position > from && position <= to)
      const others = await newest.all({ room, viewer, from, to, most })
      return [...own, ...others].sort((a, b) => a.position - b.position).map(receipt)
    },

    async put({ roomNid, userNid, type, threadId, eventId, rank, ts }) {
      const key = { room: roomNid, user: userNid, type: RECEIPT_TYPES.indexOf(type), thread: threadId ?? '' }
      const stored = await rankOf.get(key)
      if (stored !== undefined && stored.rank >= rank) return false
      if (stored === undefined && (await use.room(userNid, 'receipts')) < 1) {
        throw new StorageFullError('receipts', sql.storageLimits.receipts)
      }
      const about = type === 'm.read.private' ? { roomNid, userNid } : { roomNid }
      const position = await log.append('receipt', about)
      return (await put.run({ ...key, event: eventId, rank, ts, position })) > 0
    },
  }
}

function receipt(row: ReceiptsTables['receipts']): ReceiptRow {
  return {
    roomNid: row.room_nid as RoomNid,
    userNid: row.user_nid as UserNid,
    type: RECEIPT_TYPES[row.type] as ReceiptType,
    threadId: row.thread_id === '' ? null : row.thread_id,
    eventId: row.event_id as EventId,
    rank: row.rank,
    ts: row.ts,
    position: row.position,
  }
}
