import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import { lru } from '#store/lru.ts'
import { CommittedCache } from '#store/sql/committed-cache.ts'
import { textList } from '#store/sql/connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { EventNid } from '#store/types/events.ts'

/** What a writer needs to know of the events that its events cite. */
export type Cited = { readonly nid: EventNid; readonly generation: number; readonly isOutlier: boolean }

const EVENTS_CACHED_MAX = 50_000
const makeCache = () => lru<EventId, Cited>(EVENTS_CACHED_MAX)

/**
 * Finds cited events, over one connection: get it by `perConnection(sql, citations)`. For writing only: a reader's
 * snapshot may be older than the cache. Outliers aren't cached: they get a place in the timeline, or learn of auth events
 * that they lacked, by other writers too, who have caches of their own.
 */
export class Citations {
  readonly #cache: CommittedCache<EventId, Cited>
  readonly #load

  constructor(sql: Sql) {
    this.#cache = new CommittedCache<EventId, Cited>(sql, sql.shared(makeCache))
    this.#load = sql.prepare((db, p: { ids: string }) =>
      db
        .selectFrom('events')
        .select(['nid', 'event_id', 'generation', 'rank'])
        .where('event_id', 'in', sql.texts(p.ids)),
    )
  }

  /** All stored events that the given ones cite, but for those that are among them. */
  async of(events: readonly Event[]): Promise<Map<EventId, Cited>> {
    const cited = new Map<EventId, Cited>()
    const unknown = new Set<EventId>()
    for (const id of events.flatMap((event) => [...event.prevEvents, ...event.authEvents])) {
      const known = this.#cache.get(id)
      if (known === undefined) unknown.add(id)
      else cited.set(id, known)
    }
    for (const { eventId } of events) {
      unknown.delete(eventId)
      cited.delete(eventId)
    }
    await this.#find(unknown, cited)
    return cited
  }

  /** Those of the events that are stored. */
  async stored(ids: Iterable<EventId>): Promise<Map<EventId, Cited>> {
    const stored = new Map<EventId, Cited>()
    await this.#find(new Set(ids), stored)
    return stored
  }

  /** Notes an event that this transaction has given a place in the timeline. */
  placed(eventId: EventId, { nid, generation }: Omit<Cited, 'isOutlier'>): void {
    this.#cache.wrote(eventId, { nid, generation, isOutlier: false })
  }

  async #find(ids: ReadonlySet<EventId>, found: Map<EventId, Cited>): Promise<void> {
    if (ids.size === 0) return
    for (const row of await this.#load.all({ ids: textList(ids) })) {
      const one: Cited = { nid: row.nid as EventNid, generation: row.generation, isOutlier: row.rank === null }
      if (!one.isOutlier) this.#cache.found(row.event_id as EventId, one)
      found.set(row.event_id as EventId, one)
    }
  }
}

export const citations = (sql: Sql) => new Citations(sql)
