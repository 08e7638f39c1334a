/** What authorises events, asked of other servers where it isn't here. */
import type { Event } from '#core/event/event.ts'
import { createEventIdOf, type EventId, type ServerName } from '#core/ids.ts'
import type { Fetcher } from '#services/federation/inbound/fetcher.ts'
import type { InboundRoom } from '#services/federation/inbound/inbound-room.ts'
import type { PduReader } from '#services/federation/inbound/pdu-reader.ts'
import { unsettledEvents } from '#services/federation/inbound/unsettled-events.ts'
import type { KeptOutlier, OutlierEvents } from '#services/rooms/pipeline/outlier-events.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'

/** Questions to other servers about what authorises one event: a chain, or one level of one. */
export const AUTH_REQUESTS_MAX = 50
/** Levels of a chain that one server is asked for, one after another: events, those that authorise them, and so on. */
const LEVELS_MAX = 10
/** Events that are asked for one by one, of one server, for one chain. */
const SINGLE_EVENTS_MAX = 100

type Deps = {
  readonly store: Store
  readonly fetcher: Fetcher
  readonly reader: PduReader
  readonly outliers: OutlierEvents
}

/** How many questions may still be asked. */
export type AuthBudget = { authRequests: number }

export class AuthChains {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Asks one server for those auth events of an event that are missing, and for what authorises these: for the whole
   * chain, and for what that lacks one by one.
   *
   * @returns whether each of them has been judged then
   */
  async get(
    room: InboundRoom,
    event: Event,
    missing: readonly EventId[],
    source: ServerName,
    budget: AuthBudget,
  ): Promise<boolean> {
    if (budget.authRequests-- <= 0) return false
    const { store, fetcher, reader } = this.#deps
    const chain = await fetcher.eventAuth(source, room.roomId, event.eventId)
    const given = await reader.events(chain ?? [], room.rules, source, room.roomId)
    // A server may have the event and not give its whole chain, as the answer may be too long.
    const singles = await this.#single(
      room,
      missing.filter((id) => !given.has(id)),
      source,
      budget,
    )
    await this.keep(room, [...given.values(), ...singles], source, budget)
    return (await unsettledEvents(store, missing)).size === 0
  }

  /**
   * Keeps events as outliers, with what authorises them: where that isn't here, their server is asked for it one by one,
   * for the events themselves, for those that authorise these, and so on.
   */
  async keep(
    room: InboundRoom,
    events: readonly Event[],
    source: ServerName,
    budget: AuthBudget,
  ): Promise<Map<EventId, KeptOutlier>> {
    const kept = await this.#deps.outliers.keep(room.nid, events)
    const timeSlice = new TimeSlice()
    const lacking = new Map<EventId, Event>()
    for (const { event, outcome } of kept.values()) {
      if (outcome === 'missing') lacking.set(event.eventId, event)
      await timeSlice.yieldIfDue()
    }
    const before = lacking.size
    if (before === 0) return kept
    let singlesLeft = SINGLE_EVENTS_MAX
    for (let level = 0; level < LEVELS_MAX && singlesLeft > 0; level++) {
      const cited = new Set([...lacking.values()].flatMap(authEventsOf).filter((id) => !lacking.has(id)))
      const unsettled = await unsettledEvents(this.#deps.store, [...cited])
      const found = await this.#single(room, [...unsettled].slice(0, singlesLeft), source, budget)
      singlesLeft -= unsettled.size
      for (const event of found) lacking.set(event.eventId, event)
      if (found.length === 0) break
    }
    if (lacking.size === before) return kept
    return new Map([...kept, ...(await this.#deps.outliers.keep(room.nid, [...lacking.values()]))])
  }

  async #single(
    room: InboundRoom,
    eventIds: readonly EventId[],
    source: ServerName,
    budget: AuthBudget,
  ): Promise<Event[]> {
    if (eventIds.length === 0 || budget.authRequests-- <= 0) return []
    const { fetcher, reader } = this.#deps
    const pdus = await fetcher.getEvents(source, eventIds.slice(0, SINGLE_EVENTS_MAX))
    return [...(await reader.events(pdus, room.rules, source, room.roomId)).values()]
  }
}

/** The events by whose verdicts an event is judged; the create event is one of them also where no event cites it. */
function authEventsOf({ authEvents, rules, roomId, type }: Event): readonly EventId[] {
  return rules.roomIdIsCreateHash && type !== 'm.room.create' ? [...authEvents, createEventIdOf(roomId)] : authEvents
}
