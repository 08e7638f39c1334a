import { sql as template } from 'kysely'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { EVENT_COLUMNS, HIDDEN_FLAGS, storedEvents } from '#store/sql/stored-events.ts'
import type { EventReader } from '#store/types/events.ts'

type Slice = { room: number; after: number; before: number; until: number; limit: number }

/** Events in the order of a room's timeline. */
export function timelineReader(sql: Sql): Pick<EventReader, 'timeline' | 'rankAt' | 'positionAt' | 'nearestByTime'> {
  const stored = perConnection(sql, storedEvents)
  const shown = template<boolean>`(events.flags & ${template.lit(HIDDEN_FLAGS)}) = 0`

  const slice = (order: 'asc' | 'desc') =>
    sql.prepare((db, p: Slice) =>
      db
        .selectFrom('events')
        .select(EVENT_COLUMNS)
        .where('room_nid', '=', p.room)
        .where('rank', '>', p.after)
        .where('rank', '<', p.before)
        .where((is) => is.or([is('position', 'is', null), is('position', '<=', p.until)]))
        .where(shown)
        .orderBy('rank', order)
        .limit(p.limit),
    )
  const forwards = slice('asc')
  const backwards = slice('desc')
  const rankAt = sql.prepare((db, p: { room: number; position: number }) =>
    db
      .selectFrom('events')
      .select('rank')
      .where('room_nid', '=', p.room)
      .where('position', '<=', p.position)
      .orderBy('position', 'desc')
      .limit(1),
  )
  const positionAt = sql.prepare((db, p: { room: number; rank: number }) =>
    db
      .selectFrom('events')
      .select('position')
      .where('room_nid', '=', p.room)
      .where('rank', '<=', p.rank)
      .where('position', 'is not', null)
      .orderBy('rank', 'desc')
      .limit(1),
  )
  const near = (order: 'asc' | 'desc') =>
    sql.prepare((db, p: { room: number; ts: number }) =>
      db
        .selectFrom('events')
        .select(EVENT_COLUMNS)
        .where('room_nid', '=', p.room)
        .where('origin_server_ts', order === 'asc' ? '>=' : '<=', p.ts)
        .where('rank', 'is not', null)
        .where(shown)
        .orderBy('origin_server_ts', order)
        .orderBy('rank', order)
        .limit(1),
    )
  const atOrAfter = near('asc')
  const atOrBefore = near('desc')

  return {
    async timeline({ room, direction, afterRank, beforeRank, untilPosition, limit }) {
      const rows = await (direction === 'forwards' ? forwards : backwards).all({
        room,
        after: afterRank ?? Number.MIN_SAFE_INTEGER,
        before: beforeRank ?? Number.MAX_SAFE_INTEGER,
        until: untilPosition ?? Number.MAX_SAFE_INTEGER,
        limit,
      })
      return stored.rows(rows)
    },

    async rankAt(room, position) {
      return (await rankAt.get({ room, position }))?.rank ?? 0
    },

    async positionAt(room, rank) {
      return (await positionAt.get({ room, rank }))?.position ?? 0
    },

    async nearestByTime(room, ts, direction) {
      const rows = await (direction === 'forwards' ? atOrAfter : atOrBefore).all({ room, ts })
      return (await stored.rows(rows))[0] ?? null
    },
  }
}
