import { isMainThread } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'
import type { Event } from '#core/event/event.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import type { EventId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { EVENT_DEPTH_MAX, parseJsonText } from '#core/json/parse.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { CommittedCache } from '#store/sql/committed-cache.ts'
import { integerList } from '#store/sql/connection.ts'
import { Pauses } from '#store/sql/pauses.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { type RoomNames, roomNames } from '#store/sql/room-names.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { EventsTables } from '#store/sql/tables/events.ts'
import type { EventNid, EventRow, NewEvent } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'
import type { UserNid } from '#store/types/users.ts'

/** Bits of `events.flags`. */
export const EVENT_FLAGS = {
  rejected: 1,
  softFailed: 2,
  /** Its sender is a user of this server. */
  local: 4,
  /** A redaction that doesn't apply. */
  unapplied: 8,
}
/** The bits of a verdict. */
export const VERDICT_FLAGS: Readonly<Record<NewEvent['verdict'], number>> = {
  accepted: 0,
  'soft-failed': EVENT_FLAGS.softFailed,
  rejected: EVENT_FLAGS.rejected,
}

/** Events with any of these take no part in the room. */
export const REFUSED_FLAGS = EVENT_FLAGS.rejected | EVENT_FLAGS.softFailed
/** Events with any of these are shown to no client. */
export const HIDDEN_FLAGS = REFUSED_FLAGS | EVENT_FLAGS.unapplied

/** What is read of each event: all but its JSON, which the cache often has. */
export const EVENT_COLUMNS = [
  'events.nid',
  'events.event_id',
  'events.room_nid',
  'events.sender_nid',
  'events.position',
  'events.rank',
  'events.state_before',
  'events.state_after',
  'events.generation',
  'events.flags',
  'events.redacted_by',
] as const

type Column<Name> = Name extends `events.${infer Short}` ? Short : never
export type EventColumns = Pick<
  EventsTables['events'],
  Column<(typeof EVENT_COLUMNS)[number]> & keyof EventsTables['events']
>

/** A parsed event, as of one redaction or none: what an older snapshot or another process has may differ in that. */
type Cached = { readonly redactedBy: number | null; readonly event: Event; readonly bytes: number }

/** The thread that writes appends reads hardly any events. */
const CACHE_BYTES_MAX = (isMainThread ? 64 : 1) * 1024 * 1024
/** What parsed JSON takes in memory, by guess: so much for each character, and so much besides. */
const BYTES_PER_CHARACTER = 4
const EVENT_OVERHEAD_BYTES = 1000
const makeCache = () =>
  new LRUCache<number, Cached>({ maxSize: CACHE_BYTES_MAX, sizeCalculation: (cached) => cached.bytes })

/** Reads events from the database, over one connection: get it by `perConnection(sql, storedEvents)`. */
export class StoredEvents {
  readonly #rooms: RoomNames
  readonly #cache: CommittedCache<number, Cached>
  readonly #jsonOf

  constructor(sql: Sql) {
    this.#rooms = perConnection(sql, roomNames)
    this.#cache = new CommittedCache<number, Cached>(sql, sql.shared(makeCache))
    this.#jsonOf = sql.prepare((db, p: { nids: string }) =>
      db.selectFrom('events').select(['nid', 'json']).where('nid', 'in', sql.integers(p.nids)),
    )
  }

  /** The rows in the same order, with their events. */
  async rows(found: readonly EventColumns[]): Promise<EventRow[]> {
    const events = await this.#events(found)
    return found.map((row) => eventRow(row, events.get(row.nid) as Event))
  }

  /** Notes an event, or its redacted form, that this transaction has written. */
  wrote(nid: EventNid, event: Event, redactedBy: EventNid | null, characters: number): void {
    this.#cache.wrote(nid, cached(event, redactedBy, characters))
  }

  /** Notes an event that another thread has written and committed. */
  remember(nid: EventNid, event: Event, characters: number): void {
    this.#cache.found(nid, cached(event, null, characters))
  }

  async #events(found: readonly EventColumns[]): Promise<Map<number, Event>> {
    const events = new Map<number, Event>()
    const unread = new Map<number, EventColumns>()
    for (const row of found) {
      const known = this.#cache.get(row.nid)
      if (known?.redactedBy === row.redacted_by) events.set(row.nid, known.event)
      else unread.set(row.nid, row)
    }
    if (unread.size === 0) return events
    const rooms = await this.#rooms.ofNids([...unread.values()].map((row) => row.room_nid as RoomNid))
    const pauses = new Pauses()
    for (const { nid, json } of await this.#jsonOf.all({ nids: integerList(unread.keys()) })) {
      if (pauses.due()) await pauses.pause()
      const row = unread.get(nid) as EventColumns
      const rules = rooms.get(row.room_nid as RoomNid)?.rules as RoomVersionRules
      const event = viewEvent(parseStored(json, rules), rules, row.event_id as EventId)
      this.#cache.found(nid, cached(event, row.redacted_by, json.length))
      events.set(nid, event)
    }
    return events
  }
}

export const storedEvents = (sql: Sql) => new StoredEvents(sql)

/** The JSON of an event as it is stored. */
export function storedText(json: JsonObject): string {
  try {
    return JSON.stringify(json)
  } catch (error) {
    // JSON.stringify recurses, and an event may nest deeper than the stack.
    if (error instanceof RangeError) return canonicalJson(json)
    throw error
  }
}

/** What was checked when it came in isn't checked again. */
export function parseStored(text: string, rules: RoomVersionRules): JsonObject {
  if (rules.strictCanonicalJson) return JSON.parse(text) as JsonObject
  return parseJsonText(text, { depthMax: EVENT_DEPTH_MAX, lossless: true }) as JsonObject
}

/** About how much memory an event takes whose JSON is so long. */
export function parsedBytes(characters: number): number {
  return characters * BYTES_PER_CHARACTER + EVENT_OVERHEAD_BYTES
}

function cached(event: Event, redactedBy: number | null, characters: number): Cached {
  return { redactedBy, event, bytes: parsedBytes(characters) }
}

function eventRow(row: EventColumns, event: Event): EventRow {
  return {
    nid: row.nid as EventNid,
    roomNid: row.room_nid as RoomNid,
    event,
    senderNid: row.sender_nid as UserNid,
    position: row.position,
    rank: row.rank,
    stateBefore: row.state_before as StateId,
    stateAfter: (row.state_after ?? row.state_before) as StateId,
    generation: row.generation,
    rejected: (row.flags & EVENT_FLAGS.rejected) !== 0,
    softFailed: (row.flags & EVENT_FLAGS.softFailed) !== 0,
    unapplied: (row.flags & EVENT_FLAGS.unapplied) !== 0,
    redactedBy: row.redacted_by as EventNid | null,
  }
}
