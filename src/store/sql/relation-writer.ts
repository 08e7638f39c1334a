import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import * as rows from '#store/sql/append-rows.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { redactedIdOf, relationOf, THREAD } from '#store/sql/relation.ts'
import type { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { EVENT_COLUMNS, type StoredEvents, storedEvents, storedText } from '#store/sql/stored-events.ts'
import type { TimelineEvent } from '#store/sql/timeline-event.ts'
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

  async write(room: RoomNid, placed: readonly TimelineEvent[], batch: RowBatch): Promise<void> {
    for (const { event, nid, unapplied } of placed) {
      const redactedId = unapplied === true ? redactedIdOf(event) : null
      if (redactedId !== null) batch.add(rows.PENDING_REDACTION, redactedId, nid)
    }
    const accepted = placed.filter(({ verdict, unapplied }) => verdict === 'accepted' && unapplied !== true)
    const roots = new Map<EventId, EventId>()
    const redactions = new Map<EventNid, TimelineEvent>()
    for (const event of accepted) {
      await this.relate(room, event, roots, batch)
      if (event.redaction !== undefined) redactions.set(event.redaction.target, event)
    }
    for (const { nid, redaction } of redactions.values()) {
      await this.redact(nid, redaction!.target, redaction!.redacted, batch)
    }
  }

  /** @param roots the threads of events that are written only later */
  async relate(
    room: RoomNid,
    { nid, event }: Pick<TimelineEvent, 'nid' | 'event'>,
    roots: Map<EventId, EventId>,
    batch: RowBatch,
  ): Promise<void> {
    const relation = relationOf(event)
    if (relation === null) return
    const { parentId, relType } = relation
    batch.add(rows.RELATION, parentId, nid, room, relType, event.type)
    // "Following the event relationships, it has a parent event which references the thread root": what relates to an
    // event of a thread is in that thread.
    const root = relType === THREAD ? parentId : (roots.get(parentId) ?? (await this.#threadOf(room, parentId)))
    if (root === undefined) return
    roots.set(event.eventId, root)
    batch.add(rows.THREAD_EVENT, nid, root)
  }

  /** The event relates to nothing any more. */
  unrelate({ nid, event }: Pick<TimelineEvent, 'nid' | 'event'>, batch: RowBatch): void {
    const relation = relationOf(event)
    if (relation === null) return
    batch.add(rows.REDACTED_RELATION, relation.parentId, nid)
    batch.add(rows.REDACTED_THREAD_EVENT, nid)
  }

  /** Nothing is kept of what a redaction takes away, so the event relates to nothing any more. */
  async redact(by: EventNid, target: EventNid, redacted: Event, batch: RowBatch): Promise<void> {
    const [row] = await this.#stored.rows(await this.#event.all({ nid: target }))
    if (row === undefined) throw new Error(`No event has the number ${target}`)
    const json = storedText(redacted.json)
    batch.add(rows.REDACTED_EVENT, json, by, target)
    this.#stored.wrote(target, redacted, by, json.length)
    this.unrelate(row, batch)
  }

  async #threadOf(room: RoomNid, id: EventId): Promise<EventId | undefined> {
    return (await this.#rootOf.get({ id, room }))?.root_id as EventId | undefined
  }
}
