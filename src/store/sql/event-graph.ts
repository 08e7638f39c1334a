import { sql as template } from 'kysely'
import type { EventId } from '#core/ids.ts'
import { integerList, textList } from '#store/sql/connection.ts'
import { unpackReferences } from '#store/sql/event-references.ts'
import { logKindNumber } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { EVENT_COLUMNS, EVENT_FLAGS, REFUSED_FLAGS, storedEvents } from '#store/sql/stored-events.ts'
import type { EventNid, EventReader } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

type EventGraph = Pick<
  EventReader,
  'known' | 'authOf' | 'prevOf' | 'receivedBetween' | 'localEventsBetween' | 'pendingRedactions' | 'lateRedactions'
>

/** What federation asks of events besides their content: whether they are known, what they cite, what came when. */
export function eventGraphReader(sql: Sql): EventGraph {
  const stored = perConnection(sql, storedEvents)
  const isLocalAndAccepted = template<boolean>`(events.flags & ${template.lit(REFUSED_FLAGS | EVENT_FLAGS.local)}) = ${template.lit(EVENT_FLAGS.local)}`
  const known = sql.prepare((db, p: { ids: string }) =>
    db
      .selectFrom('events')
      .select(['event_id', 'nid', 'room_nid', 'rank', 'flags'])
      .where('event_id', 'in', sql.texts(p.ids)),
  )
  const authOf = sql.prepare((db, p: { nids: string }) =>
    db.selectFrom('events').select(['nid', 'auth', 'generation']).where('nid', 'in', sql.integers(p.nids)),
  )
  const prevOf = sql.prepare((db, p: { nids: string }) =>
    db.selectFrom('events').select(['nid', 'prev']).where('nid', 'in', sql.integers(p.nids)),
  )
  const received = sql.prepare((db, p: { room: number; from: number; to: number; limit: number }) =>
    db
      .selectFrom('events')
      .select(EVENT_COLUMNS)
      .where('room_nid', '=', p.room)
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .orderBy('position')
      .limit(p.limit),
  )
  const localEvents = sql.prepare((db, p: { from: number; to: number; limit: number; kind: number }) =>
    db
      .selectFrom('log')
      .innerJoin('events', (join) =>
        join.onRef('events.room_nid', '=', 'log.room_nid').onRef('events.position', '=', 'log.position'),
      )
      .select(EVENT_COLUMNS)
      .where('log.position', '>', p.from)
      .where('log.position', '<=', p.to)
      .where('log.kind', '=', p.kind)
      .where(isLocalAndAccepted)
      .orderBy('log.position')
      .limit(p.limit),
  )
  const pending = sql.prepare((db, p: { ids: string }) =>
    db
      .selectFrom('pending_redactions')
      .select(['target_id', 'event_nid'])
      .where('target_id', 'in', sql.texts(p.ids))
      .orderBy('event_nid'),
  )

  const late = sql.prepare((db, p: { room: number; from: number; to: number; limit: number }) =>
    db
      .selectFrom('late_redactions')
      .innerJoin('events', 'events.nid', 'late_redactions.event_nid')
      .select(EVENT_COLUMNS)
      .where('late_redactions.room_nid', '=', p.room)
      .where('late_redactions.position', '>', p.from)
      .where('late_redactions.position', '<=', p.to)
      .orderBy('late_redactions.position', 'desc')
      .limit(p.limit),
  )

  return {
    async known(eventIds) {
      const rows = await known.all({ ids: textList(new Set(eventIds)) })
      return new Map(
        rows.map((row) => [
          row.event_id as EventId,
          {
            nid: row.nid as EventNid,
            roomNid: row.room_nid as RoomNid,
            isOutlier: row.rank === null,
            rejected: (row.flags & EVENT_FLAGS.rejected) !== 0,
            softFailed: (row.flags & EVENT_FLAGS.softFailed) !== 0,
          },
        ]),
      )
    },

    async authOf(nids) {
      const rows = await authOf.all({ nids: integerList(new Set(nids)) })
      return new Map(
        rows.map(({ nid, auth, generation }) => [
          nid as EventNid,
          { auth: unpackReferences(nid as EventNid, auth), generation },
        ]),
      )
    },

    async prevOf(nids) {
      const rows = await prevOf.all({ nids: integerList(new Set(nids)) })
      return new Map(rows.map(({ nid, prev }) => [nid as EventNid, unpackReferences(nid as EventNid, prev)]))
    },

    async receivedBetween(room, from, to, limit) {
      return stored.rows(await received.all({ room, from, to, limit }))
    },

    async localEventsBetween(from, to, limit) {
      const kind = logKindNumber('event')
      return stored.rows(await localEvents.all({ from, to, limit, kind }))
    },

    async lateRedactions(room, from, to, limit) {
      return (await stored.rows(await late.all({ room, from, to, limit }))).toReversed()
    },

    async pendingRedactions(eventIds) {
      const rows = await pending.all({ ids: textList(new Set(eventIds)) })
      const ofTargets = Map.groupBy(rows, (row) => row.target_id as EventId)
      return new Map([...ofTargets].map(([id, some]) => [id, some.map((row) => row.event_nid as EventNid)]))
    },
  }
}
