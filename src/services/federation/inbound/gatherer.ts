import type { Event } from '#core/event/event.ts'
import type { EventId, ServerName } from '#core/ids.ts'
import { createEventIdOf } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { Fetcher } from '#services/federation/inbound/fetcher.ts'
import type { InboundCounters } from '#services/federation/inbound/inbound-counters.ts'
import type { InboundRoom } from '#services/federation/inbound/inbound-room.ts'
import type { PduReader } from '#services/federation/inbound/pdu-reader.ts'
import { inOrder, type OutlierEvents } from '#services/rooms/pipeline/outlier-events.ts'
import {
  type Judgement,
  LACKS_AUTH_EVENTS,
  type ReceivedEvent,
  type ReceivedEvents,
} from '#services/rooms/pipeline/received-events.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { ClaimedState, StateId } from '#store/types/state.ts'

/** Requests for missing previous events, for one event; after them the state is asked for instead. */
export const MISSING_EVENTS_ROUNDS_MAX = 10
export const MISSING_EVENTS_LIMIT = 20
/** Extremities and events that one such request names. */
const NAMED_EVENTS_MAX = 20
/** States that are asked for because of one event. */
const STATES_MAX = 8
/** Requests for auth events because of one event. */
const AUTH_REQUESTS_MAX = 20
/** Events that are asked for one by one where most of a state is known; else the whole state is. */
const SINGLE_EVENTS_MAX = 50
/** Events that are read at once. */
const READ_EVENTS_MAX = 200
/** Requests for single events to one server at one time. */
const SINGLE_EVENTS_AT_ONCE_MAX = 8

type Deps = {
  readonly store: Store
  readonly fetcher: Fetcher
  readonly reader: PduReader
  readonly received: ReceivedEvents
  readonly outliers: OutlierEvents
  readonly counters: InboundCounters
}

/** What one event may still cost. */
type Budget = { states: number; authRequests: number }

/**
 * Gets what an event lacks from other servers, within bounds, and judges the event with it. Holds no room's queue while
 * it waits for the network: what comes back is judged by the room as it then is.
 */
export class Gatherer {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Judges an event that was found to lack others, after having asked the given servers for those, the first ones first.
   * The answer is `missing` where they could not be had.
   */
  async settle(room: InboundRoom, event: Event, sources: readonly ServerName[]): Promise<Judgement> {
    const pool = await this.#previousEvents(room, event, sources)
    if (pool.size > 1) this.#deps.counters.gapsFilled += 1
    const budget: Budget = { states: STATES_MAX, authRequests: AUTH_REQUESTS_MAX }
    let judgement: Judgement = { outcome: 'missing', auth: [], prev: event.prevEvents }
    for (const next of inOrder(pool, ({ prevEvents }) => prevEvents)) {
      const found = await this.#place(room, next, sources, budget)
      if (next.eventId === event.eventId) judgement = found
    }
    return judgement
  }

  /** The event and those before it that are neither here nor in the gap's other end. */
  async #previousEvents(
    room: InboundRoom,
    event: Event,
    sources: readonly ServerName[],
  ): Promise<ReadonlyMap<EventId, Event>> {
    const pool = new Map<EventId, Event>([[event.eventId, event]])
    const minDepth = await this.#depthOfMembershipPeriod(room)
    for (let round = 0; round < MISSING_EVENTS_ROUNDS_MAX; round++) {
      const latest = await this.#frontier(room, pool)
      if (latest.length === 0) break
      const added = await this.#askForPrevious(room, latest, minDepth, sources, pool)
      if (added === 0) break
    }
    return pool
  }

  /** Events of the pool that cite what is neither here nor in the pool. */
  async #frontier({ nid }: InboundRoom, pool: ReadonlyMap<EventId, Event>): Promise<EventId[]> {
    const cited = [...pool.values()].flatMap(({ prevEvents }) => prevEvents.filter((id) => !pool.has(id)))
    const placed = await this.#placed(nid, [...new Set(cited)])
    const lacking = [...pool.values()].filter(({ prevEvents }) =>
      prevEvents.some((id) => !pool.has(id) && !placed.has(id)),
    )
    return lacking.map(({ eventId }) => eventId)
  }

  /** The depth at which this server came into the room: what lies below is history, to be fetched when it is read. */
  async #depthOfMembershipPeriod({ nid }: InboundRoom): Promise<number> {
    return this.#deps.store.read(async (tx) => {
      const since = await tx.memberships.localSince(nid)
      if (since === null) return 0
      // What else changed with the join took positions behind it.
      const beforeRank = (await tx.events.rankAt(nid, since)) + 1
      const [join] = await tx.events.timeline({ room: nid, direction: 'backwards', beforeRank, limit: 1 })
      return join?.event.depth ?? 0
    })
  }

  /** Those of the events that have a place in the room's timeline. */
  async #placed(room: RoomNid, eventIds: readonly EventId[]): Promise<Set<EventId>> {
    const known = await this.#deps.store.read((tx) => tx.events.known(eventIds))
    return new Set([...known].filter(([, row]) => row.roomNid === room && !row.isOutlier).map(([eventId]) => eventId))
  }

  async #askForPrevious(
    room: InboundRoom,
    latest: readonly EventId[],
    minDepth: number,
    sources: readonly ServerName[],
    pool: Map<EventId, Event>,
  ): Promise<number> {
    const { store, fetcher, reader } = this.#deps
    const extremities = await store.read((tx) => tx.rooms.extremities(room.nid))
    const earliest = extremities.map(({ eventId }) => eventId).slice(0, NAMED_EVENTS_MAX)
    for (const source of sources) {
      const pdus = await fetcher.missingEvents(source, {
        roomId: room.roomId,
        earliest,
        latest: latest.slice(-NAMED_EVENTS_MAX),
        limit: MISSING_EVENTS_LIMIT,
        minDepth,
      })
      if (pdus === null) continue
      const events = await reader.events(pdus, room.rules, source, room.roomId)
      const placed = await this.#placed(room.nid, [...events.keys()])
      const fresh = [...events.values()].filter(
        ({ eventId, depth }) => depth >= minDepth && !placed.has(eventId) && !pool.has(eventId),
      )
      for (const event of fresh) pool.set(event.eventId, event)
      if (fresh.length > 0) return fresh.length
    }
    return 0
  }

  async #place(room: InboundRoom, event: Event, sources: readonly ServerName[], budget: Budget): Promise<Judgement> {
    let received: ReceivedEvent = { event }
    for (;;) {
      const judgement = (await this.#deps.received.accept(room.roomId, [received])).get(event.eventId)!
      if (judgement.outcome !== 'missing') return judgement
      if (judgement.auth.length > 0) {
        if (!(await this.authEvents(room, event, judgement.auth, sources, budget))) return judgement
      } else {
        const told = await this.claimedState(room, event.eventId, judgement.prev, sources, budget)
        if (told === null) return judgement
        received = { event, told }
      }
    }
  }

  /** Gets an event's auth chain; false where some of `missing` could not be had. */
  async authEvents(
    room: InboundRoom,
    event: Event,
    missing: readonly EventId[],
    sources: readonly ServerName[],
    budget: Pick<Budget, 'authRequests'>,
  ): Promise<boolean> {
    const { fetcher } = this.#deps
    for (const source of sources) {
      if (budget.authRequests-- <= 0) return false
      const pdus = await fetcher.eventAuth(source, room.roomId, event.eventId)
      if (pdus !== null && (await this.#keep(room, pdus, source, missing))) return true
      // A server that has the event but won't give its whole chain, as the answer may be too long.
      if (budget.authRequests-- <= 0) return false
      if (await this.#keep(room, await this.#single(source, missing), source, missing)) return true
    }
    return false
  }

  /** Keeps events as outliers; whether all wanted ones are settled then. */
  async #keep(
    room: InboundRoom,
    pdus: readonly JsonObject[],
    source: ServerName,
    wanted: readonly EventId[],
  ): Promise<boolean> {
    const { reader, outliers } = this.#deps
    const events = await reader.events(pdus, room.rules, source, room.roomId)
    const kept = await outliers.keep(room.nid, [...events.values()])
    return wanted.every((id) => (kept.get(id)?.outcome ?? 'missing') !== 'missing')
  }

  async #single(source: ServerName, eventIds: readonly EventId[]): Promise<JsonObject[]> {
    const found: JsonObject[] = []
    const left = eventIds.slice(0, SINGLE_EVENTS_MAX)
    while (left.length > 0) {
      const some = left.splice(0, SINGLE_EVENTS_AT_ONCE_MAX)
      const pdus = await Promise.all(some.map((id) => this.#deps.fetcher.getEvent(source, id)))
      found.push(...pdus.filter((pdu) => pdu !== null))
      if (pdus.every((pdu) => pdu === null)) break
    }
    return found
  }

  /**
   * The state before an event as one of the servers says. Each event of it has passed the checks against its own auth
   * events; what has not is left out. null where none gives a state with the room's create event.
   */
  async stateBefore(
    room: InboundRoom,
    eventId: EventId,
    sources: readonly ServerName[],
    budget: Pick<Budget, 'states'> = { states: STATES_MAX },
  ): Promise<StateId | null> {
    for (const source of sources) {
      if (budget.states-- <= 0) return null
      const told = await this.#deps.fetcher.stateIds(source, room.roomId, eventId)
      if (told === null) continue
      // What was lost on its way is asked for again later: without it, others would be rejected.
      if (!(await this.#fetchState(room, eventId, source, [...told.pduIds, ...told.authChainIds]))) continue
      const state = await this.#buildState(room, told.pduIds)
      if (state === null) continue
      this.#deps.counters.statesFetched += 1
      return state
    }
    return null
  }

  /**
   * What stands for events that one cites and that aren't here: the states after them, as one of the servers says, or,
   * where these can't be had, the state before the citing event. null for nothing.
   */
  async claimedState(
    room: InboundRoom,
    eventId: EventId,
    missing: readonly EventId[],
    sources: readonly ServerName[],
    budget: Pick<Budget, 'states'>,
  ): Promise<ClaimedState | null> {
    const states: StateId[] = []
    // One request is kept back for the citing event's own state.
    if (missing.length < budget.states) {
      for (const prev of missing) {
        const state = await this.#stateAfter(room, prev, sources.slice(0, 1), budget)
        if (state === null) break
        states.push(state)
      }
      if (states.length === missing.length) return { after: states }
    }
    const before = await this.stateBefore(room, eventId, sources, budget)
    return before === null ? null : { before }
  }

  async #stateAfter(
    room: InboundRoom,
    eventId: EventId,
    sources: readonly ServerName[],
    budget: Pick<Budget, 'states'>,
  ): Promise<StateId | null> {
    const { store, reader, outliers } = this.#deps
    const before = await this.stateBefore(room, eventId, sources, budget)
    if (before === null) return null
    if ((await this.#unsettled([eventId])).size > 0) {
      const pdus = await this.#single(sources[0]!, [eventId])
      const read = await reader.events(pdus, room.rules, sources[0]!, room.roomId)
      await outliers.keep(room.nid, [...read.values()])
    }
    const [row] = await store.read((tx) => tx.events.byIds([eventId]))
    if (row === undefined || row.roomNid !== room.nid) return null
    const { type, stateKey } = row.event
    if (row.rejected || stateKey === null) return before
    return store.write((tx) => tx.state.apply(room.nid, before, [{ type, stateKey, event: row.nid }]))
  }

  /** Gets what isn't here of a state. False where the server didn't deliver all of it; what it delivered may be unfit. */
  async #fetchState(
    room: InboundRoom,
    eventId: EventId,
    source: ServerName,
    eventIds: readonly EventId[],
  ): Promise<boolean> {
    const { fetcher, reader, outliers } = this.#deps
    const unknown = await this.#unsettled(eventIds)
    if (unknown.size === 0) return true
    let pdus: JsonObject[]
    let isDelivered = true
    if (unknown.size <= SINGLE_EVENTS_MAX) {
      pdus = await this.#single(source, [...unknown])
      isDelivered = pdus.length === unknown.size
    } else {
      const told = await fetcher.state(source, room.roomId, eventId)
      if (told === null) return false
      pdus = [...told.pdus, ...told.authChain]
    }
    const events: Event[] = []
    const timeSlice = new TimeSlice()
    for (const read of await reader.read(pdus, room.rules, source)) {
      await timeSlice.yieldIfDue()
      if (!read.ok) isDelivered &&= read.isFinal
      else if (unknown.has(read.event.eventId) && read.event.roomId === room.roomId) events.push(read.event)
    }
    await outliers.keep(room.nid, events)
    return isDelivered
  }

  /** Those that aren't here, and those that were rejected for lack of others. One may be named several times. */
  async #unsettled(eventIds: readonly EventId[]): Promise<Set<EventId>> {
    const unsettled = new Set<EventId>()
    const seen = new Set<EventId>()
    const timeSlice = new TimeSlice()
    for (let at = 0; at < eventIds.length; at += READ_EVENTS_MAX) {
      const some = eventIds.slice(at, at + READ_EVENTS_MAX).filter((id) => !seen.has(id))
      for (const id of some) seen.add(id)
      await timeSlice.yieldIfDue()
      await this.#deps.store.read(async (tx) => {
        const known = await tx.events.known(some)
        for (const id of some) {
          const row = known.get(id)
          const isOpen = row?.rejected === true && (await tx.events.rejectionReason(row.nid)) === LACKS_AUTH_EVENTS
          if (row === undefined || isOpen) unsettled.add(id)
        }
      })
    }
    return unsettled
  }

  async #buildState({ roomId, nid: room, rules }: InboundRoom, eventIds: readonly EventId[]): Promise<StateId | null> {
    const { store } = this.#deps
    const entries = new Map<string, { type: string; stateKey: string; event: EventNid }>()
    let hasCreate = false
    const timeSlice = new TimeSlice()
    for (let at = 0; at < eventIds.length; at += READ_EVENTS_MAX) {
      const some = eventIds.slice(at, at + READ_EVENTS_MAX)
      await timeSlice.yieldIfDue()
      for (const row of await store.read((tx) => tx.events.byIds(some))) {
        const { type, stateKey, eventId } = row.event
        if (row.roomNid !== room || row.rejected || stateKey === null) continue
        const isCreate = type === 'm.room.create' && stateKey === ''
        if (isCreate && rules.roomIdIsCreateHash && eventId !== createEventIdOf(roomId)) continue
        hasCreate ||= isCreate
        entries.set(`${type}\0${stateKey}`, { type, stateKey, event: row.nid })
      }
    }
    return hasCreate ? store.write((tx) => tx.state.build(room, [...entries.values()])) : null
  }
}
