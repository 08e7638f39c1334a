import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { integerList } from '#store/sql/connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { InboundStore } from '#store/types/inbound.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

export function inboundStore(sql: Sql): InboundStore {
  const transaction = sql.prepare((db, p: { origin: string; txnId: string }) =>
    db
      .selectFrom('inbound_transactions')
      .select('response')
      .where('origin', '=', p.origin)
      .where('txn_id', '=', p.txnId),
  )
  const stage = sql.prepare((db, p: { room: string; origin: string; ts: number; json: string }) =>
    db
      .insertInto('staged_pdus')
      .values({ room_id: p.room, origin: p.origin, received_ts: p.ts, json: p.json })
      .returning('id'),
  )
  const unstage = sql.prepare((db, p: { ids: string }) =>
    db.deleteFrom('staged_pdus').where('id', 'in', sql.integers(p.ids)),
  )

  return {
    async transaction(origin, txnId) {
      const row = await transaction.get({ origin, txnId })
      return row === undefined ? null : (JSON.parse(row.response) as JsonObject)
    },

    async staged(limit, { roomId, origin, afterId } = {}) {
      let page = sql.db
        .selectFrom('staged_pdus')
        .selectAll()
        .where('id', '>', afterId ?? 0)
        .orderBy('id')
        .limit(limit)
      if (roomId !== undefined) page = page.where('room_id', '=', roomId)
      if (origin !== undefined) page = page.where('origin', '=', origin)
      return (await page.execute()).map((row) => ({
        id: row.id,
        roomId: row.room_id as RoomId,
        origin: row.origin as ServerName,
        json: row.json,
        receivedTs: row.received_ts,
      }))
    },

    async stagedCount(origin) {
      let count = sql.db.selectFrom('staged_pdus').select((is) => is.fn.countAll<number>().as('count'))
      if (origin !== undefined) count = count.where('origin', '=', origin)
      return Number((await count.executeTakeFirstOrThrow()).count)
    },

    async putTransaction(origin, txnId, response) {
      await sql.run(
        `INSERT INTO inbound_transactions (origin, txn_id, response, received_ts) VALUES (?, ?, ?, ?)
         ON CONFLICT (origin, txn_id) DO UPDATE SET response = excluded.response, received_ts = excluded.received_ts`,
        [origin, txnId, JSON.stringify(response), sql.clock()],
      )
    },

    forgetTransactions: (before) => sql.run('DELETE FROM inbound_transactions WHERE received_ts < ?', [before]),

    async stage(roomId, origin, pdus) {
      const ids: number[] = []
      const ts = sql.clock()
      for (const json of pdus) {
        const row = await stage.get({ room: roomId, origin, ts, json })
        ids.push(row!.id)
      }
      return ids
    },

    async unstage(ids) {
      await unstage.run({ ids: integerList(ids) })
    },

    async roomsWithLeftOut() {
      const rows = await sql.db
        .selectFrom('left_out_events')
        .select('room_nid')
        .distinct()
        .orderBy('room_nid')
        .execute()
      return rows.map((row) => row.room_nid as RoomNid)
    },

    async leftOut(room, limit) {
      const rows = await sql.db
        .selectFrom('left_out_events')
        .selectAll()
        .where('room_nid', '=', room)
        .orderBy('state_id')
        .orderBy('event_id')
        .limit(limit)
        .execute()
      return rows.map((row) => ({
        eventId: row.event_id as EventId,
        state: row.state_id as StateId,
        isInState: row.is_in_state === 1,
        via: row.via as ServerName,
        json: row.json,
      }))
    },

    async putLeftOut(room, events) {
      for (const { state, eventId, isInState, via, json } of events) {
        await sql.run(
          `INSERT INTO left_out_events (room_nid, state_id, event_id, is_in_state, via, since_ts, json)
           VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (room_nid, state_id, event_id) DO NOTHING`,
          [room, state, eventId, isInState ? 1 : 0, via, sql.clock(), json],
        )
      }
    },

    async dropLeftOut(room, eventIds) {
      for (const eventId of eventIds) {
        await sql.run('DELETE FROM left_out_events WHERE room_nid = ? AND event_id = ?', [room, eventId])
      }
    },

    async forgetLeftOut(before) {
      await sql.run('DELETE FROM left_out_events WHERE since_ts < ?', [before])
    },
  }
}
