import type { EventId } from '#core/ids.ts'
import * as rows from '#store/sql/append-rows.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { PlacedEvent } from '#store/sql/placed-event.ts'
import { type Relation, relationOf, THREAD } from '#store/sql/relation.ts'
import type { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { EVENT_COLUMNS, type StoredEvents, storedEvents, storedText } from '#store/sql/stored-events.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** Carries relations and redactions of an append into the index of relations and threads. */
export class RelationWriter {
  readonly #stored: StoredEvents
  readonly #rootOf
  readonly #event

  constructor(sql: Sql) {
    this.#stored = perConnection(sql, storedEvents)
    this.#rootOf = sql.prepare((db, p: { id: string; room: number }) =>
      db
        .selectFrom('events')
        .innerJoin('thread_events', 'thread_events.event_nid', 'events.nid')
        .select('thread_events.root_id')
        .where('events.event_id', '=', p.id)
        .where('events.room_nid', '=', p.room),
    )
    this.#event = sql.prepare((db, p: { nid: number }) =>
      db.selectFrom('events').select(EVENT_COLUMNS).where('nid', '=', p.nid),
    )
  }

  async write(room: RoomNid, placed: readonly PlacedEvent[], batch: RowBatch): Promise<void> {
    const accepted = placed.filter(({ verdict }) => verdict === 'accepted')
    const roots = new Map<EventId, EventId>()
    const redactions = new Map<EventNid, PlacedEvent>()
    for (const event of accepted) {
      const relation = relationOf(event.event)
      if (relation !== null) await this.#relate(room, event, relation, roots, batch)
      if (event.redaction !== undefined) redactions.set(event.redaction.target, event)
    }
    for (const event of redactions.values()) await this.#redact(event, batch)
  }

  /** @param roots the threads of events of this append, which are written only later */
  async #relate(
    room: RoomNid,
    { nid, event }: PlacedEvent,
    { parentId, relType }: Relation,
    roots: Map<EventId, EventId>,
    batch: RowBatch,
  ): Promise<void> {
    batch.add(rows.RELATION, parentId, nid, room, relType, event.type)
    // "Following the event relationships, it has a parent event which references the thread root": what relates to an
    // event of a thread is in that thread.
    const root = relType === THREAD ? parentId : (roots.get(parentId) ?? (await this.#threadOf(room, parentId)))
    if (root === undefined) return
    roots.set(event.eventId, root)
    batch.add(rows.THREAD_EVENT, nid, root)
  }

  async #threadOf(room: RoomNid, id: EventId): Promise<EventId | undefined> {
    return (await this.#rootOf.get({ id, room }))?.root_id as EventId | undefined
  }

  /** Nothing is kept of what a redaction takes away, so the event relates to nothing any more. */
  async #redact({ nid: by, redaction }: PlacedEvent, batch: RowBatch): Promise<void> {
    const { target, redacted } = redaction!
    const [row] = await this.#stored.rows(await this.#event.all({ nid: target }))
    if (row === undefined) throw new Error(`No event has the number ${target}`)
    const json = storedText(redacted.json)
    batch.add(rows.REDACTED_EVENT, json, by, target)
    this.#stored.wrote(target, redacted, by, json.length)
    const relation = relationOf(row.event)
    if (relation === null) return
    batch.add(rows.REDACTED_RELATION, relation.parentId, target)
    batch.add(rows.REDACTED_THREAD_EVENT, target)
  }
}
