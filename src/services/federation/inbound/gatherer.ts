import type { Event } from '#core/event/event.ts'
import type { EventId, ServerName } from '#core/ids.ts'
import { AUTH_REQUESTS_MAX, type AuthBudget, type AuthChains } from '#services/federation/inbound/auth-chains.ts'
import type { Fetcher } from '#services/federation/inbound/fetcher.ts'
import type { InboundCounters } from '#services/federation/inbound/inbound-counters.ts'
import type { InboundRoom } from '#services/federation/inbound/inbound-room.ts'
import type { PduReader } from '#services/federation/inbound/pdu-reader.ts'
import { type RemoteStates, STATES_MAX, type StateBudget } from '#services/federation/inbound/remote-states.ts'
import { unsettledEvents } from '#services/federation/inbound/unsettled-events.ts'
import { inOrder } from '#services/rooms/pipeline/outlier-events.ts'
import type { Judgement, ReceivedEvent, ReceivedEvents } from '#services/rooms/pipeline/received-events.ts'
import type { Store } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** Requests for missing previous events, for one event; after them the state is asked for instead. */
export const MISSING_EVENTS_ROUNDS_MAX = 10
export const MISSING_EVENTS_LIMIT = 20
/** Extremities and events that one such request names. */
const NAMED_EVENTS_MAX = 20

type Deps = {
  readonly store: Store
  readonly fetcher: Fetcher
  readonly reader: PduReader
  readonly received: ReceivedEvents
  readonly authChains: AuthChains
  readonly states: RemoteStates
  readonly counters: InboundCounters
}

/** What one event may still cost. */
export type GatherBudget = StateBudget & AuthBudget

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
    const budget: GatherBudget = { states: STATES_MAX, authRequests: AUTH_REQUESTS_MAX }
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

  async #place(
    room: InboundRoom,
    event: Event,
    sources: readonly ServerName[],
    budget: GatherBudget,
  ): Promise<Judgement> {
    let received: ReceivedEvent = { event }
    for (;;) {
      const judgement = (await this.#deps.received.accept(room.roomId, [received])).get(event.eventId)!
      if (judgement.outcome !== 'missing') return judgement
      if (judgement.auth.length > 0) {
        if (!(await this.authEvents(room, event, judgement.auth, sources, budget))) return judgement
      } else {
        const claimed = await this.#deps.states.claimed(room, event.eventId, judgement.prev, sources, budget)
        if (claimed === null) return judgement
        received = { event, claimed }
      }
    }
  }

  /** Gets what authorises an event; false where some of `missing` could not be had. */
  async authEvents(
    room: InboundRoom,
    event: Event,
    missing: readonly EventId[],
    sources: readonly ServerName[],
    budget: GatherBudget,
  ): Promise<boolean> {
    const { store, authChains, states } = this.#deps
    for (const source of sources) {
      if (await authChains.get(room, event, missing, source, budget)) return true
      await states.fetchFor(room, event.eventId, source, budget)
      if ((await unsettledEvents(store, missing)).size === 0) return true
    }
    return false
  }
}
