import { sql as template } from 'kysely'
import type { EventId, UserId } from '#core/ids.ts'
import { Appender } from '#store/sql/append.ts'
import { integerList, textList } from '#store/sql/connection.ts'
import { eventGraphReader } from '#store/sql/event-graph.ts'
import { HistoryWriter } from '#store/sql/history.ts'
import { OutlierWriter } from '#store/sql/outliers.ts'
import { inParts } from '#store/sql/pauses.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { Reevaluation } from '#store/sql/reevaluation.ts'
import { THREAD } from '#store/sql/relation.ts'
import type { Sql } from '#store/sql/sql.ts'
import { EVENT_COLUMNS, storedEvents } from '#store/sql/stored-events.ts'
import { timelineReader } from '#store/sql/timeline.ts'
import { transactionReader } from '#store/sql/transactions.ts'
import type { EventNid, EventStore } from '#store/types/events.ts'
import type { UserNid } from '#store/types/users.ts'

export function eventStore(sql: Sql): EventStore {
  const stored = perConnection(sql, storedEvents)
  const appender = new Appender(sql)
  const outliers = new OutlierWriter(sql)
  const history = new HistoryWriter(sql)
  const reevaluation = new Reevaluation(sql)

  const byId = sql.prepare((db, p: { id: string }) =>
    db.selectFrom('events').select(EVENT_COLUMNS).where('event_id', '=', p.id),
  )
  const byIds = sql.prepare((db, p: { ids: string }) =>
    db.selectFrom('events').select(EVENT_COLUMNS).where('event_id', 'in', sql.texts(p.ids)),
  )
  const byNids = sql.prepare((db, p: { nids: string }) =>
    db.selectFrom('events').select(EVENT_COLUMNS).where('nid', 'in', sql.integers(p.nids)),
  )
  const relations = sql.prepare((db, p: { room: number; parent: string }) =>
    db
      .selectFrom('relations')
      .innerJoin('events', 'events.nid', 'relations.event_nid')
      .select(['relations.event_nid', 'relations.rel_type', 'relations.type', 'events.sender_nid'])
      .where('relations.parent_id', '=', p.parent)
      .where('relations.room_nid', '=', p.room)
      .orderBy('events.rank'),
  )
  const threadRoots = sql.prepare((db, p: { nids: string }) =>
    db
      .selectFrom('events')
      .leftJoin('thread_events', 'thread_events.event_nid', 'events.nid')
      .select(['events.nid', 'events.event_id', 'thread_events.root_id'])
      .select((is) =>
        is
          .exists(
            is
              .selectFrom('relations')
              .select(template.lit(1).as('one'))
              .whereRef('relations.parent_id', '=', 'events.event_id')
              .whereRef('relations.room_nid', '=', 'events.room_nid')
              .where('relations.rel_type', '=', THREAD),
          )
          .as('has_replies'),
      )
      .where('events.nid', 'in', sql.integers(p.nids)),
  )
  const reasonOf = sql.prepare((db, p: { nid: number }) =>
    db.selectFrom('rejections').select('reason').where('event_nid', '=', p.nid),
  )
  const senders = sql.prepare((db, p: { nids: string }) =>
    db
      .selectFrom('events')
      .innerJoin('users', 'users.nid', 'events.sender_nid')
      .select(['events.nid', 'users.user_id'])
      .where('events.nid', 'in', sql.integers(p.nids)),
  )

  return {
    ...timelineReader(sql),
    ...eventGraphReader(sql),
    ...transactionReader(sql),

    async byId(eventId) {
      return (await stored.rows(await byId.all({ id: eventId })))[0] ?? null
    },

    async byIds(eventIds) {
      const rows = await inParts(new Set(eventIds), async (ids) => stored.rows(await byIds.all({ ids: textList(ids) })))
      const found = new Map(rows.map((row) => [row.event.eventId, row]))
      return eventIds.map((id) => found.get(id)).filter((row) => row !== undefined)
    },

    async byNids(nids) {
      const rows = await inParts(new Set(nids), async (some) =>
        stored.rows(await byNids.all({ nids: integerList(some) })),
      )
      return new Map(rows.map((row) => [row.nid, row]))
    },

    async relations(room, parent, relType) {
      const rows = await relations.all({ room, parent })
      return rows
        .filter((row) => relType === undefined || row.rel_type === relType)
        .map((row) => ({
          eventNid: row.event_nid as EventNid,
          parentId: parent,
          relType: row.rel_type,
          type: row.type,
          senderNid: row.sender_nid as UserNid,
        }))
    },

    async threadRoots(nids) {
      const roots = new Map<EventNid, EventId>()
      for (const row of await threadRoots.all({ nids: integerList(nids) })) {
        // SQLite has no truth values: EXISTS gives 0 or 1.
        const root = row.root_id ?? (row.has_replies ? row.event_id : null)
        if (root !== null) roots.set(row.nid as EventNid, root as EventId)
      }
      return roots
    },

    async rejectionReason(nid) {
      return (await reasonOf.get({ nid }))?.reason ?? null
    },

    async sendersOf(nids) {
      const rows = await senders.all({ nids: integerList(nids) })
      return new Map(rows.map((row) => [row.nid as EventNid, row.user_id as UserId]))
    },

    append: (append) => appender.append(append),

    addOutliers: (room, added) => outliers.add(room, added),

    addHistory: (added) => history.add(added),

    reevaluate: (nid, verdict, reason, stateBefore) => reevaluation.reevaluate(nid, verdict, reason, stateBefore),

    redact: (by, target, redacted) => reevaluation.redact(by, target, redacted),
  }
}
