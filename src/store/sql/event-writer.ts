import type { Event } from '#core/event/event.ts'
import { serverOf } from '#core/ids.ts'
import * as rows from '#store/sql/append-rows.ts'
import { type Citations, citations } from '#store/sql/citations.ts'
import type { References } from '#store/sql/cited-by.ts'
import { packReferences } from '#store/sql/event-references.ts'
import { Pauses } from '#store/sql/pauses.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { EVENT_FLAGS, type StoredEvents, storedEvents, storedText, VERDICT_FLAGS } from '#store/sql/stored-events.ts'
import type { TimelineEvent } from '#store/sql/timeline-event.ts'
import { userStore } from '#store/sql/users.ts'
import type { EventNid, NewEvent, Outlier } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid, UserStore } from '#store/types/users.ts'

export type NewOutlier = Outlier &
  Omit<References, 'gaps'> & { readonly nid: EventNid; readonly senderNid: UserNid; readonly isPromoted: false }

/** Writes the rows of events themselves. */
export class EventWriter {
  readonly #sql: Sql
  readonly #users: UserStore
  readonly #stored: StoredEvents
  readonly #citations: Citations

  constructor(sql: Sql) {
    this.#sql = sql
    this.#users = perConnection(sql, userStore)
    this.#stored = perConnection(sql, storedEvents)
    this.#citations = perConnection(sql, citations)
  }

  /** The numbers of the events' senders. */
  async senders(events: readonly { readonly event: Event }[]): Promise<Map<string, UserNid>> {
    const senders = new Map<string, UserNid>()
    const pauses = new Pauses()
    for (const { sender } of events.map(({ event }) => event)) {
      if (senders.has(sender)) continue
      senders.set(sender, await this.#users.intern(sender))
      if (pauses.due()) await pauses.pause()
    }
    return senders
  }

  /** Returns the length of the event's JSON. */
  add(room: RoomNid, event: TimelineEvent | NewOutlier, batch: RowBatch): number {
    const json = storedText(event.event.json)
    if (event.isPromoted) this.#promote(event, batch)
    else this.#insert(room, event, json, batch)
    if (event.verdict !== 'accepted' && event.reason !== undefined) batch.add(rows.REJECTION, event.nid, event.reason)
    return json.length
  }

  /** To be called when the batch was written. */
  written(events: readonly TimelineEvent[]): void {
    for (const placed of events) this.#citations.placed(placed.event.eventId, placed)
  }

  #insert(room: RoomNid, placed: TimelineEvent | NewOutlier, json: string, batch: RowBatch): void {
    const { event, nid } = placed
    const place = 'rank' in placed ? placed : { position: null, rank: null, stateBefore: 0, stateAfter: 0 }
    batch.add(
      rows.EVENT_ROW,
      nid,
      event.eventId,
      room,
      place.position,
      place.rank,
      placed.senderNid,
      event.originServerTs,
      event.depth,
      placed.generation,
      place.stateBefore,
      place.stateAfter === place.stateBefore ? null : place.stateAfter,
      this.#flags(placed),
      packReferences(nid, placed.prev),
      packReferences(nid, placed.auth),
      json,
    )
    this.#stored.wrote(nid, event, null, json.length)
  }

  #promote(placed: TimelineEvent, batch: RowBatch): void {
    const { nid, stateBefore, stateAfter } = placed
    batch.add(
      rows.PROMOTED_EVENT,
      placed.position,
      placed.rank,
      placed.generation,
      stateBefore,
      stateAfter === stateBefore ? null : stateAfter,
      this.#flags(placed),
      packReferences(nid, placed.prev),
      packReferences(nid, placed.auth),
      nid,
    )
    if (placed.verdict === 'accepted') batch.add(rows.NO_REJECTION, nid)
  }

  #flags({ event, verdict, unapplied = false }: Pick<NewEvent, 'event' | 'verdict' | 'unapplied'>): number {
    const local = serverOf(event.sender) === this.#sql.serverName ? EVENT_FLAGS.local : 0
    return VERDICT_FLAGS[verdict] | local | (unapplied ? EVENT_FLAGS.unapplied : 0)
  }
}
