/** Rooms' timelines for users of this server, with what other servers have of them. */
import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { Backfiller } from '#services/federation/history/backfiller.ts'
import { residentServers } from '#services/federation/reads/resident-servers.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Viewer } from '#services/timeline/client-events.ts'
import { findAccess } from '#services/timeline/room-access.ts'
import {
  type EventContext,
  type MessagesPage,
  type MessagesRequest,
  PAGE_LIMIT_DEFAULT,
  type Timeline,
} from '#services/timeline/timeline.ts'
import { rankOfToken, tokenAtRank } from '#services/timeline/token-rank.ts'
import type { Store } from '#store/store.ts'

type Deps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly timeline: Timeline
  readonly filler: Backfiller
  readonly client: Pick<FederationClient, 'request'>
  readonly timers: Timers
}

type NearEvent = { readonly event_id: EventId; readonly origin_server_ts: number }

/** Events that are fetched for one page. */
const PAGE_EVENTS_MAX = 100
/** Servers that are asked for the event nearest to a time. */
const SERVERS_MAX = 3
const TIMEOUT_MS = 10_000
/** How long a page takes that has nothing, for now, but where to go on. */
const EMPTY_PAGE_MS = 2_000

export class BackfilledTimeline {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** As `Timeline.messages`, into history that has to be fetched first. */
  async messages(viewer: Viewer, roomId: RoomId, request: MessagesRequest): Promise<MessagesPage> {
    const { timeline, filler } = this.#deps
    if (request.direction === 'forwards') return timeline.messages(viewer, roomId, request)
    const fromRank = await this.#rankFor(viewer, roomId, request.from)
    if (fromRank === null) return timeline.messages(viewer, roomId, request)
    const mayCome = await filler.fill({ roomId, fromRank, events: pageEvents(request.limit) })
    const page = await timeline.messages(viewer, roomId, request)
    if (page.end !== undefined || request.to !== null) return page
    // Nothing older is here, but others have more: the client may come back for it. Where it came from there just now,
    // there is a reason to come again only if somebody who may have more could not be reached.
    const rank = await filler.missingBelow(roomId)
    if (rank === null || (rank > fromRank && !mayCome)) return page
    // Else a client that reads on until there is no `end` would ask as fast as it can.
    if (rank > fromRank) await this.#pause()
    return { ...page, end: tokenAtRank(rank - 1) }
  }

  #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#deps.timers.after(EMPTY_PAGE_MS, resolve)
    return promise
  }

  /** As `Timeline.context`. */
  async context(
    viewer: Viewer,
    roomId: RoomId,
    eventId: EventId,
    options: Parameters<Timeline['context']>[3],
  ): Promise<EventContext> {
    const rank = await this.#deps.store.read(async (tx) => {
      const row = await tx.events.byId(eventId)
      const access = row === null ? null : await findAccess(tx, roomId, viewer)
      return access !== null && row?.roomNid === access.room.nid ? row.rank : null
    })
    const events = Math.ceil(pageEvents(options.limit) / 2)
    if (rank !== null) await this.#deps.filler.fill({ roomId, fromRank: rank, events })
    return this.#deps.timeline.context(viewer, roomId, eventId, options)
  }

  /** As `Timeline.eventNearTime`, also where the time lies in a gap. */
  async eventNearTime(
    viewer: Viewer,
    roomId: RoomId,
    ts: number,
    direction: 'forwards' | 'backwards',
  ): Promise<NearEvent> {
    const { timeline, filler } = this.#deps
    const gap = await this.#gapAt(viewer, roomId, ts)
    if (gap !== null) {
      const here = await orNull(timeline.eventNearTime(viewer, roomId, ts, direction))
      if (await this.#isCloserElsewhere(gap.servers, roomId, ts, direction, here)) {
        await filler.fill({ roomId, fromRank: gap.rank, events: PAGE_EVENTS_MAX })
      }
    }
    return timeline.eventNearTime(viewer, roomId, ts, direction)
  }

  /** The rank that a page begins at; null for a user who may not read the room, which the timeline then says. */
  #rankFor(viewer: Viewer, roomId: RoomId, token: string | null): Promise<number | null> {
    return this.#deps.store.read(async (tx) => {
      const access = await findAccess(tx, roomId, viewer)
      if (access === null || !access.room.isResident) return null
      return token === null ? access.room.rankMax : rankOfToken(tx, access.room.nid, token)
    })
  }

  /** Where history is missing between the events before and after a time, and who may have it. */
  #gapAt(
    viewer: Viewer,
    roomId: RoomId,
    ts: number,
  ): Promise<{ readonly rank: number; readonly servers: readonly ServerName[] } | null> {
    const { store, serverName } = this.#deps
    return store.read(async (tx) => {
      const access = await findAccess(tx, roomId, viewer)
      if (access === null || !access.room.isResident) return null
      const { room } = access
      const before = await tx.events.nearestByTime(room.nid, ts, 'backwards')
      const after = await tx.events.nearestByTime(room.nid, ts, 'forwards')
      const [gap] = await tx.backwardExtremities.below(room.nid, after?.rank ?? room.rankMax, 1)
      if (gap === undefined || gap.rank <= (before?.rank ?? Number.NEGATIVE_INFINITY)) return null
      const servers = (await residentServers(tx, room, serverName)).filter((server) => server !== serverName)
      return { rank: gap.rank, servers: servers.slice(0, SERVERS_MAX) }
    })
  }

  async #isCloserElsewhere(
    servers: readonly ServerName[],
    roomId: RoomId,
    ts: number,
    direction: 'forwards' | 'backwards',
    here: NearEvent | null,
  ): Promise<boolean> {
    const dir = direction === 'forwards' ? 'f' : 'b'
    const uri = `/_matrix/federation/v1/timestamp_to_event/${encodeURIComponent(roomId)}?ts=${ts}&dir=${dir}`
    for (const destination of servers) {
      const reply = await this.#deps.client.request({ destination, method: 'GET', uri, timeoutMs: TIMEOUT_MS })
      const theirs = reply.outcome === 'answered' ? timeIn(reply.json) : null
      if (theirs === null) continue
      return here === null || Math.abs(theirs - ts) < Math.abs(here.origin_server_ts - ts)
    }
    return false
  }
}

function pageEvents(limit: number | null): number {
  return Math.max(1, Math.min(limit ?? PAGE_LIMIT_DEFAULT, PAGE_EVENTS_MAX))
}

function timeIn(json: JsonValue): number | null {
  const ts = isJsonObject(json) ? member(json, 'origin_server_ts') : undefined
  return typeof ts === 'number' ? ts : null
}

async function orNull(event: Promise<NearEvent>): Promise<NearEvent | null> {
  try {
    return await event
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_NOT_FOUND') return null
    throw error
  }
}
