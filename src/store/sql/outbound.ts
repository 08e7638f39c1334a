import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { integerList, textList } from '#store/sql/connection.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { deleteFrom, insertInto, RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { EventNid } from '#store/types/events.ts'
import type { MissedEvent, OutboundStore, QueuedEdu } from '#store/types/outbound.ts'
import type { RoomNid } from '#store/types/rooms.ts'

const MISSED = insertInto(
  'missed_events',
  { server: 'text', room_nid: 'integer', event_nid: 'integer', position: 'integer' },
  `ON CONFLICT (server, room_nid) DO UPDATE SET event_nid = excluded.event_nid, position = excluded.position
   WHERE missed_events.position < excluded.position`,
)
const SENT = deleteFrom('missed_events', { server: 'text', room_nid: 'integer', position: 'integer' })

export function outboundStore(sql: Sql): OutboundStore {
  const use = perConnection(sql, storageUse)
  const missed = sql.prepare((db, p: { server: string; limit: number }) =>
    db.selectFrom('missed_events').selectAll().where('server', '=', p.server).orderBy('position').limit(p.limit),
  )
  const behind = sql.prepare((db, p: { after: string; limit: number }) =>
    db
      .selectFrom('missed_events')
      .select('server')
      .where('server', '>', p.after)
      .union(db.selectFrom('queued_edus').select('server').where('server', '>', p.after))
      .orderBy('server')
      .limit(p.limit),
  )
  const edus = sql.prepare((db, p: { server: string; limit: number }) =>
    db.selectFrom('queued_edus').select(['id', 'edu']).where('server', '=', p.server).orderBy('id').limit(p.limit),
  )
  const edusOf = sql.prepare((db, p: { ids: string }) =>
    db.selectFrom('queued_edus').select(['id', 'edu']).where('id', 'in', sql.integers(p.ids)).orderBy('id'),
  )
  const eduCount = sql.prepare((db, p: { server: string }) =>
    db
      .selectFrom('queued_edus')
      .select((is) => is.fn.countAll<number>().as('count'))
      .where('server', '=', p.server),
  )
  const queueEdu = sql.prepare((db, p: { server: string; edu: string; sender: number | null }) =>
    db.insertInto('queued_edus').values({ server: p.server, topic: null, edu: p.edu, sender_nid: p.sender }),
  )
  const dropEdus = sql.prepare((db, p: { ids: string }) =>
    db.deleteFrom('queued_edus').where('id', 'in', sql.integers(p.ids)),
  )

  const each = sql.dialect === 'sqlite' ? 'json_each(?) AS s' : 'json_array_elements_text(?::json) AS s (value)'

  return {
    async missed(destination, limit) {
      return (await missed.all({ server: destination, limit })).map((row) => ({
        destination: row.server as ServerName,
        roomNid: row.room_nid as RoomNid,
        eventNid: row.event_nid as EventNid,
        position: row.position,
      }))
    },

    async behind(limit, after) {
      return (await behind.all({ after: after ?? '', limit })).map((row) => row.server as ServerName)
    },

    async edus(destination, limit) {
      return (await edus.all({ server: destination, limit })).map(queuedEdu)
    },

    async edusOf(ids) {
      return (await edusOf.all({ ids: integerList(ids) })).map(queuedEdu)
    },

    async eduCount(destination) {
      return Number((await eduCount.get({ server: destination }))?.count ?? 0)
    },

    async addMissed(events) {
      const batch = new RowBatch()
      for (const event of newestOfEach(events)) {
        batch.add(MISSED, event.destination, event.roomNid, event.eventNid, event.position)
      }
      await batch.write(sql)
    },

    async dropMissed(events) {
      const batch = new RowBatch()
      for (const event of events) batch.add(SENT, event.destination, event.roomNid, event.position)
      await batch.write(sql)
    },

    async queueEdu(destination, edu, sender) {
      const put = () => queueEdu.run({ server: destination, edu: JSON.stringify(edu), sender: sender ?? null })
      if (sender === undefined) await put()
      else await use.within(sender, 'queued_to_device', put)
    },

    async queueLatest(destinations, { topic, edu }) {
      const servers = textList(destinations)
      // A new row, not the old one changed: whoever has sent that one will drop it.
      await sql.run(`DELETE FROM queued_edus WHERE topic = ? AND server IN (SELECT s.value FROM ${each})`, [
        topic,
        servers,
      ])
      await sql.run(`INSERT INTO queued_edus (topic, edu, server) SELECT ?, ?, s.value FROM ${each}`, [
        topic,
        JSON.stringify(edu),
        servers,
      ])
    },

    async dropEdus(ids) {
      await dropEdus.run({ ids: integerList(ids) })
    },
  }
}

function queuedEdu({ id, edu }: { id: number; edu: string }): QueuedEdu {
  return { id, edu: JSON.parse(edu) as JsonObject }
}

/** No row may come twice in one statement. */
function newestOfEach(events: readonly MissedEvent[]): Iterable<MissedEvent> {
  const newest = new Map<string, MissedEvent>()
  for (const event of events) {
    const key = `${event.roomNid} ${event.destination}`
    if ((newest.get(key)?.position ?? -1) < event.position) newest.set(key, event)
  }
  return newest.values()
}
