import type { EventId } from '#core/ids.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { BackwardExtremityStore } from '#store/types/backward-extremities.ts'
import type { EventNid } from '#store/types/events.ts'

export function backwardExtremityStore(sql: Sql): BackwardExtremityStore {
  const below = sql.prepare((db, p: { room: number; rank: number; limit: number }) =>
    db
      .selectFrom('backward_extremities')
      .select(['missing_id', 'cited_by', 'rank'])
      .where('room_nid', '=', p.room)
      .where('rank', '<=', p.rank)
      .orderBy('rank', 'desc')
      .orderBy('missing_id')
      .limit(p.limit),
  )

  return {
    async below(room, rank, limit) {
      const rows = await below.all({ room, rank, limit })
      return rows.map((row) => ({
        missing: row.missing_id as EventId,
        citedBy: row.cited_by as EventNid,
        rank: row.rank,
      }))
    },

    async giveUp(room, missing) {
      await sql.run('DELETE FROM backward_extremities WHERE room_nid = ? AND missing_id = ?', [room, missing])
    },

    async openBehind(room, missing, eventIds) {
      let count = 0
      for (const eventId of eventIds) {
        if (eventId === missing) continue
        count += await sql.run(
          `INSERT INTO backward_extremities (room_nid, rank, missing_id, cited_by)
           SELECT room_nid, rank, ?, cited_by FROM backward_extremities WHERE room_nid = ? AND missing_id = ?
           ON CONFLICT (room_nid, rank, missing_id) DO NOTHING`,
          [eventId, room, missing],
        )
      }
      return count
    },
  }
}
