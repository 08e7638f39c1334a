/** Other servers read events (server-server API, "Backfilling and retrieving missing events", "Retrieving events"). */
import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { notFound } from '#core/matrix-error.ts'
import { notInRoom, roomForServer } from '#services/federation/reads/server-room.ts'
import { ServerVisibility } from '#services/federation/reads/server-visibility.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** Events in one answer, at most. */
export const BACKFILL_EVENTS_MAX = 100
export const MISSING_EVENTS_MAX = 20
export const MISSING_EVENTS_DEFAULT = 10
/** Events that a walk through the graph looks at; more than an answer holds, since some aren't for the server. */
const WALKED_EVENTS_MAX = 500
/** How many events nearest to a time are tried for one that the server sees. */
const NEAR_EVENTS_MAX = 50

export type MissingEventsRequest = {
  readonly latest: readonly EventId[]
  readonly earliest: readonly EventId[]
  readonly limit: number | null
  readonly minDepth: number | null
}

export class EventReads {
  readonly #store: Store

  constructor({ store }: { readonly store: Store }) {
    this.#store = store
  }

  /** One event (`/event/{eventId}`). @throws M_NOT_FOUND, M_FORBIDDEN */
  event(server: ServerName, eventId: EventId): Promise<JsonObject> {
    return this.#store.read(async (tx) => {
      const row = await tx.events.byId(eventId)
      if (row === null) throw notFound('Event not found')
      const eyes = new ServerVisibility(tx, await roomForServer(tx, row.event.roomId, server))
      if (!(await eyes.learnsOf(row))) throw notInRoom()
      if (row.rejected) throw notFound('Event not found')
      return eyes.pdu(row)
    })
  }

  /**
   * The named events and those before them, the newest first (`/backfill/{roomId}`).
   *
   * @throws M_FORBIDDEN, also for a server that may see none of those named; M_NOT_FOUND if none is known
   */
  backfill(server: ServerName, roomId: RoomId, from: readonly EventId[], limit: number): Promise<JsonObject[]> {
    return this.#store.read(async (tx) => {
      const asked = await roomForServer(tx, roomId, server)
      const eyes = new ServerVisibility(tx, asked)
      const named = await timelineEvents(tx, asked.room.nid, from)
      const starts = await filterAsync(named, (row) => eyes.learnsOf(row))
      if (starts.length === 0) throw named.length > 0 || !asked.isIn ? notInRoom() : notFound('Event not found')
      const rows = await walkBack(tx, asked.room.nid, starts, {
        limit: Math.min(limit, BACKFILL_EVENTS_MAX),
        wants: (row) => eyes.learnsOf(row),
        goesOn: () => true,
      })
      return eyes.pdus(rows)
    })
  }

  /**
   * What lies between events that the server has and later ones, the oldest first (`/get_missing_events/{roomId}`).
   * Unknown ones among those named are passed over.
   *
   * @throws M_FORBIDDEN
   */
  missingEvents(server: ServerName, roomId: RoomId, request: MissingEventsRequest): Promise<JsonObject[]> {
    const { latest, earliest, minDepth } = request
    return this.#store.read(async (tx) => {
      const asked = await roomForServer(tx, roomId, server)
      const eyes = new ServerVisibility(tx, asked)
      const known = new Set<EventId>([...earliest, ...latest])
      const tips = await filterAsync(await timelineEvents(tx, asked.room.nid, latest), (row) => eyes.learnsOf(row))
      if (tips.length === 0 && !asked.isIn) throw notInRoom()
      const before = tips.flatMap(({ event }) => event.prevEvents).filter((eventId) => !known.has(eventId))
      const rows = await walkBack(tx, asked.room.nid, await timelineEvents(tx, asked.room.nid, before), {
        limit: Math.min(request.limit ?? MISSING_EVENTS_DEFAULT, MISSING_EVENTS_MAX),
        wants: (row) => eyes.learnsOf(row),
        goesOn: ({ event }) => !known.has(event.eventId) && event.depth >= (minDepth ?? 0),
      })
      return eyes.pdus(rows.toReversed())
    })
  }

  /** The event closest to a time that the server sees (`/timestamp_to_event/{roomId}`). @throws M_NOT_FOUND, M_FORBIDDEN */
  eventNearTime(
    server: ServerName,
    roomId: RoomId,
    ts: number,
    direction: 'forwards' | 'backwards',
  ): Promise<{ readonly event_id: EventId; readonly origin_server_ts: number }> {
    return this.#store.read(async (tx) => {
      const asked = await roomForServer(tx, roomId, server)
      const eyes = new ServerVisibility(tx, asked)
      let from = ts
      for (let tried = 0; tried < NEAR_EVENTS_MAX; tried += 1) {
        const row = await tx.events.nearestByTime(asked.room.nid, from, direction)
        if (row === null) break
        const { eventId, originServerTs } = row.event
        if (await eyes.sees(row)) return { event_id: eventId, origin_server_ts: originServerTs }
        from = originServerTs + (direction === 'forwards' ? 1 : -1)
      }
      throw notFound('No event was found in that direction')
    })
  }
}

/** Those that are part of the room's graph here: neither unknown nor there to authorise others alone. */
async function timelineEvents(tx: ReadTx, room: RoomNid, eventIds: readonly EventId[]): Promise<EventRow[]> {
  if (eventIds.length === 0) return []
  const rows = await tx.events.byIds([...new Set(eventIds)].slice(0, WALKED_EVENTS_MAX))
  return rows.filter((row) => row.roomNid === room && row.rank !== null)
}

type Walk = {
  readonly limit: number
  /** Whether the event belongs into the result. */
  wants(row: EventRow): Promise<boolean>
  /** Whether the walk goes over the event at all. */
  goesOn(row: EventRow): boolean
}

/** Follows `prev_events`, the newest event first in this server's own order: `depth` is the sender's claim. */
async function walkBack(tx: ReadTx, room: RoomNid, starts: readonly EventRow[], walk: Walk): Promise<EventRow[]> {
  const found: EventRow[] = []
  const seen = new Set<EventId>(starts.map(({ event }) => event.eventId))
  const waiting = [...starts]
  for (let walked = 0; walked < WALKED_EVENTS_MAX && found.length < walk.limit; walked += 1) {
    const row = takeNewest(waiting)
    if (row === undefined) break
    if (!walk.goesOn(row)) continue
    // "Rejected events … should not be sent": what stands before them is.
    if (!row.rejected && (await walk.wants(row))) found.push(row)
    const before = row.event.prevEvents.filter((eventId) => !seen.has(eventId))
    for (const eventId of before) seen.add(eventId)
    waiting.push(...(await timelineEvents(tx, room, before)))
  }
  return found
}

function takeNewest(waiting: EventRow[]): EventRow | undefined {
  let newest = 0
  for (const [index, { rank }] of waiting.entries()) {
    if ((rank ?? 0) > (waiting[newest]?.rank ?? 0)) newest = index
  }
  return waiting.splice(newest, 1)[0]
}

async function filterAsync(rows: readonly EventRow[], test: (row: EventRow) => Promise<boolean>): Promise<EventRow[]> {
  const passed: EventRow[] = []
  for (const row of rows) if (await test(row)) passed.push(row)
  return passed
}
