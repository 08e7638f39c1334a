import type { EventId } from '#core/ids.ts'
import * as rows from '#store/sql/append-rows.ts'
import { type Citations, citations } from '#store/sql/citations.ts'
import { outlierReferences } from '#store/sql/cited-by.ts'
import { integerList, textList } from '#store/sql/connection.ts'
import { packReferences } from '#store/sql/event-references.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { EVENT_COLUMNS, type StoredEvents, storedEvents } from '#store/sql/stored-events.ts'
import type { TimelineEvent } from '#store/sql/timeline-event.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** A gap gets this part of the ranks that a room has left: the first about 2^32, and there are always some left. */
const GAPS_AT_FIRST = 2 ** 21

/** How many ranks to leave free below an event whose predecessors are unknown. */
export function gapRanks(rankMax: number): number {
  return Math.floor((Number.MAX_SAFE_INTEGER - rankMax) / GAPS_AT_FIRST)
}

/** Keeps the gaps of timelines: see store/types/backward-extremities.ts. */
export class BackwardExtremityWriter {
  readonly #sql: Sql
  readonly #stored: StoredEvents
  readonly #citations: Citations
  readonly #missing
  readonly #events

  constructor(sql: Sql) {
    this.#sql = sql
    this.#stored = perConnection(sql, storedEvents)
    this.#citations = perConnection(sql, citations)
    this.#missing = sql.prepare((db, p: { room: number; ids: string }) =>
      db
        .selectFrom('backward_extremities')
        .select(['missing_id', 'cited_by'])
        .where('missing_id', 'in', sql.texts(p.ids))
        .where('room_nid', '=', p.room),
    )
    this.#events = sql.prepare((db, p: { nids: string }) =>
      db.selectFrom('events').select(EVENT_COLUMNS).where('nid', 'in', sql.integers(p.nids)),
    )
  }

  /** Notes the gaps that these events leave. */
  open(room: RoomNid, events: readonly TimelineEvent[], batch: RowBatch): void {
    for (const { nid, rank, gaps } of events) for (const id of gaps) batch.add(rows.GAP, room, rank, id, nid)
  }

  /** Those of these events that were missing: some event of the timeline cites them. */
  async missing(room: RoomNid, ids: Iterable<EventId>): Promise<Set<EventId>> {
    const found = await this.#missing.all({ room, ids: textList(ids) })
    return new Set(found.map((row) => row.missing_id as EventId))
  }

  /** These events are in the timeline now, and known by `citations`: they fill gaps. */
  async close(room: RoomNid, ids: ReadonlySet<EventId>): Promise<void> {
    if (ids.size === 0) return
    const filled = await this.#missing.all({ room, ids: textList(ids) })
    for (const id of new Set(filled.map((row) => row.missing_id))) {
      await this.#sql.run('DELETE FROM backward_extremities WHERE missing_id = ? AND room_nid = ?', [id, room])
    }
    const citing = integerList(new Set(filled.map((row) => row.cited_by)))
    for (const { nid, event } of await this.#stored.rows(await this.#events.all({ nids: citing }))) {
      const { prev } = outlierReferences(event, await this.#citations.of([event]))
      await this.#sql.run('UPDATE events SET prev = ? WHERE nid = ?', [packReferences(nid, prev), nid])
    }
  }
}
