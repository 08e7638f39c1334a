import { EVENT_LIMIT_MAX, type RoomEventFilter, roomEventPasses } from '#core/filter/event-filter.ts'
import type { EventId, RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { notFound } from '#core/matrix-error.ts'
import type { ClientEvents, Viewer } from '#services/timeline/client-events.ts'
import { eventNearTime } from '#services/timeline/event-near-time.ts'
import { membersOfSenders } from '#services/timeline/lazy-members.ts'
import { accessToRoom, findAccess, type RoomAccess, readableEvents } from '#services/timeline/room-access.ts'
import { type ScanRange, scanTimeline } from '#services/timeline/scan.ts'
import { rankOfToken, tokenAtRank } from '#services/timeline/token-rank.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'

/** How many events a page has when neither the request nor its filter says. */
export const PAGE_LIMIT_DEFAULT = 10

export type MessagesRequest = {
  readonly direction: 'forwards' | 'backwards'
  readonly from: string | null
  readonly to: string | null
  readonly limit: number | null
  readonly filter: RoomEventFilter
}

export type MessagesPage = {
  readonly start: string
  /** Absent when there is nothing more in that direction. */
  readonly end?: string
  readonly chunk: readonly JsonObject[]
  /** Only for filters that load members lazily. */
  readonly state?: readonly JsonObject[]
}

export type EventContext = {
  readonly start: string
  readonly end: string
  readonly event: JsonObject
  /** The newest one first. */
  readonly events_before: readonly JsonObject[]
  readonly events_after: readonly JsonObject[]
  readonly state: readonly JsonObject[]
}

type Deps = { readonly store: Store; readonly clientEvents: ClientEvents }

/** Reads rooms' timelines for users who are, were or need not be in them. */
export class Timeline {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * A page of a room's timeline (client-server API, `GET /rooms/{roomId}/messages`). A page may be empty and still have
   * an `end` to go on from: then what was looked at is hidden from the viewer or left out by the filter.
   *
   * @throws M_FORBIDDEN; M_INVALID_PARAM for a token
   */
  messages(viewer: Viewer, roomId: RoomId, request: MessagesRequest): Promise<MessagesPage> {
    return this.#deps.store.read(async (tx) => {
      const access = await accessToRoom(tx, roomId, viewer)
      const { direction, filter } = request
      const from = request.from === null ? null : await rankOfToken(tx, access.room.nid, request.from)
      const to = request.to === null ? null : await rankOfToken(tx, access.room.nid, request.to)
      const scanned = await scanTimeline(tx, access, {
        ...rangeBetween(direction, from, to),
        limit: pageLimit(request.limit, filter.limit),
        filter,
      })
      const { rows, lastRank, hasMore } = scanned
      return {
        start: request.from ?? tokenAtRank(await startRank(tx, access, direction)),
        ...(hasMore && lastRank !== null ? { end: tokenAtRank(placeBehind(direction, lastRank)) } : {}),
        chunk: await this.#serialise(tx, rows, viewer),
        ...(filter.lazyLoadMembers
          ? { state: await this.#serialise(tx, await membersOfSenders(tx, rows), viewer) }
          : {}),
      }
    })
  }

  /**
   * An event with what happened around it (`GET /rooms/{roomId}/context/{eventId}`); the limit counts the events before
   * and after together.
   *
   * @throws M_FORBIDDEN for the room, M_NOT_FOUND for the event
   */
  context(
    viewer: Viewer,
    roomId: RoomId,
    eventId: EventId,
    options: { readonly limit: number | null; readonly filter: RoomEventFilter },
  ): Promise<EventContext> {
    return this.#deps.store.read(async (tx) => {
      const access = await accessToRoom(tx, roomId, viewer)
      const row = await readableEvent(tx, access, eventId)
      const rank = row.rank ?? 0
      const limit = Math.min(options.limit ?? PAGE_LIMIT_DEFAULT, EVENT_LIMIT_MAX)
      const { filter } = options
      const countBefore = Math.floor(limit / 2)
      const before = await scanTimeline(tx, access, {
        direction: 'backwards',
        beforeRank: rank,
        limit: countBefore,
        filter,
      })
      const after = await scanTimeline(tx, access, {
        direction: 'forwards',
        afterRank: rank,
        limit: limit - countBefore,
        filter,
      })
      const state = await stateAt(tx, access, [row, ...before.rows, ...after.rows], after.rows.at(-1) ?? row, filter)
      const [event = {}] = await this.#serialise(tx, [row], viewer)
      return {
        start: tokenAtRank((before.lastRank ?? rank) - 1),
        end: tokenAtRank(after.lastRank ?? rank),
        event,
        events_before: await this.#serialise(tx, before.rows, viewer),
        events_after: await this.#serialise(tx, after.rows, viewer),
        state: await this.#serialise(tx, state, viewer),
      }
    })
  }

  /**
   * One event; `roomId` is null where only the event is named.
   *
   * @throws M_NOT_FOUND, also for events and rooms that the viewer may not read
   */
  event(viewer: Viewer, roomId: RoomId | null, eventId: EventId): Promise<JsonObject> {
    return this.#deps.store.read(async (tx) => {
      const named = (await tx.events.byId(eventId))?.event.roomId
      const access = named === undefined ? null : await findAccess(tx, roomId ?? named, viewer)
      if (access === null) throw eventNotFound()
      const [event] = await this.#serialise(tx, [await readableEvent(tx, access, eventId)], viewer)
      if (event === undefined) throw eventNotFound()
      return event
    })
  }

  /** The event closest to a time in a direction. @throws M_FORBIDDEN, M_NOT_FOUND */
  eventNearTime(
    viewer: Viewer,
    roomId: RoomId,
    ts: number,
    direction: 'forwards' | 'backwards',
  ): Promise<{ readonly event_id: EventId; readonly origin_server_ts: number }> {
    return this.#deps.store.read(async (tx) => {
      const access = await accessToRoom(tx, roomId, viewer)
      const row = await eventNearTime(tx, access, ts, direction)
      if (row === null) throw notFound('No event was found in that direction')
      return { event_id: row.event.eventId, origin_server_ts: row.event.originServerTs }
    })
  }

  #serialise(tx: ReadTx, rows: readonly EventRow[], viewer: Viewer): Promise<JsonObject[]> {
    return this.#deps.clientEvents.serialise(tx, rows, viewer, { withRoomId: true })
  }
}

const eventNotFound = () => notFound('Event not found')

async function readableEvent(tx: ReadTx, access: RoomAccess, eventId: EventId): Promise<EventRow> {
  const row = await tx.events.byId(eventId)
  const [readable] = row === null ? [] : await readableEvents(tx, access, [row])
  if (readable === undefined) throw eventNotFound()
  return readable
}

/**
 * The smaller of the request's and the filter's limits, at most `EVENT_LIMIT_MAX`, and at least one event: a page that
 * ends where it began would be asked for again for ever.
 */
function pageLimit(limit: number | null, filterLimit: number | null): number {
  const asked = Math.min(limit ?? Number.POSITIVE_INFINITY, filterLimit ?? Number.POSITIVE_INFINITY)
  return Number.isFinite(asked) ? Math.min(Math.max(asked, 1), EVENT_LIMIT_MAX) : PAGE_LIMIT_DEFAULT
}

/** The ranks between two places, each just after an event. */
function rangeBetween(
  direction: 'forwards' | 'backwards',
  from: number | null,
  to: number | null,
): Pick<ScanRange, 'direction' | 'afterRank' | 'beforeRank'> {
  const [earlier, later] = direction === 'forwards' ? [from, to] : [to, from]
  return {
    direction,
    ...(earlier === null ? {} : { afterRank: earlier }),
    ...(later === null ? {} : { beforeRank: later + 1 }),
  }
}

/** The place where the next page begins, when this one ended with that event. */
function placeBehind(direction: 'forwards' | 'backwards', lastRank: number): number {
  return direction === 'forwards' ? lastRank : lastRank - 1
}

/** The end of the timeline, as far as the user may read, where reading begins without a `from`. */
async function startRank(tx: ReadTx, access: RoomAccess, direction: 'forwards' | 'backwards'): Promise<number> {
  const { room, untilRank } = access
  if (direction === 'backwards') return Math.min(untilRank, room.rankMax)
  const [first] = await tx.events.timeline({ room: room.nid, direction, limit: 1 })
  return (first?.rank ?? 1) - 1
}

/** The room's state after `last`, narrowed by the filter; with lazy loading only the members who sent the events. */
async function stateAt(
  tx: ReadTx,
  access: RoomAccess,
  shown: readonly EventRow[],
  last: EventRow,
  filter: RoomEventFilter,
): Promise<EventRow[]> {
  const senders = new Set<string>(shown.map(({ event }) => event.sender))
  const entries = (await tx.state.entries(last.stateAfter)).filter(
    ({ type, stateKey }) => type !== 'm.room.member' || !filter.lazyLoadMembers || senders.has(stateKey),
  )
  const nids: EventNid[] = entries.map(({ eventNid }) => eventNid)
  const events = await tx.events.byNids(nids)
  return nids
    .flatMap((nid) => events.get(nid) ?? [])
    .filter((row) => roomEventPasses(filter, access.room.roomId, row.event))
}
