/** States of rooms as other servers tell them. */
import type { Event } from '#core/event/event.ts'
import { createEventIdOf, type EventId, type ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { AUTH_REQUESTS_MAX, type AuthBudget, type AuthChains } from '#services/federation/inbound/auth-chains.ts'
import type { Fetcher } from '#services/federation/inbound/fetcher.ts'
import type { InboundCounters } from '#services/federation/inbound/inbound-counters.ts'
import type { InboundRoom } from '#services/federation/inbound/inbound-room.ts'
import type { KeyWaits } from '#services/federation/inbound/key-waits.ts'
import type { LeftOutEvents } from '#services/federation/inbound/left-out-events.ts'
import type { PduReader, UnverifiedEvent } from '#services/federation/inbound/pdu-reader.ts'
import { unsettledEvents } from '#services/federation/inbound/unsettled-events.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'
import type { EventNid } from '#store/types/events.ts'
import type { ClaimedState, StateId } from '#store/types/state.ts'

/** States that are asked for because of one event. */
export const STATES_MAX = 8
/** Events that are asked for one by one where most of a state is known; else the whole state is. */
const SINGLE_EVENTS_MAX = 50
/** A state with more entries isn't asked for as a whole where only a few of its events are missing. */
const STATE_INSTEAD_MAX = 2_000
/** Events that are read at once. */
const READ_EVENTS_MAX = 200

type Deps = {
  readonly store: Store
  readonly fetcher: Fetcher
  readonly reader: PduReader
  readonly authChains: AuthChains
  readonly leftOut: LeftOutEvents
  readonly keyWaits: KeyWaits
  readonly counters: InboundCounters
}

/** How many states may still be asked for. */
export type StateBudget = {
  states: number
  /** Set for states that the room's present one doesn't build on: they aren't waited for, nor completed later. */
  readonly isHistory?: boolean
}

/** The ids of a state and of what authorises it, as a server says. */
type ClaimedIds = { readonly pduIds: readonly EventId[]; readonly authChainIds: readonly EventId[] }

/** What a server delivered of a state. */
type Delivery = {
  /** Whether it gave all of it; what it gave may be unfit. */
  readonly isWhole: boolean
  readonly unverified: readonly UnverifiedEvent[]
}

export class RemoteStates {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * The state before an event as one of the servers says. Each event of it has passed the checks against its own auth
   * events; what has not is left out. null where none gives a state with the room's create event.
   */
  async before(
    room: InboundRoom,
    eventId: EventId,
    sources: readonly ServerName[],
    budget: StateBudget = { states: STATES_MAX },
  ): Promise<StateId | null> {
    for (const source of sources) {
      if (budget.states-- <= 0) return null
      const claimed = await this.#deps.fetcher.stateIds(source, room.roomId, eventId)
      if (claimed === null) continue
      const { isWhole, unverified } = await this.#fetch(room, eventId, source, claimed)
      // What was lost on its way is asked for again later: without it, others would be rejected.
      if (!isWhole || this.#mustWait(unverified, budget)) continue
      const state = await this.#build(room, claimed.pduIds)
      if (state === null) continue
      if (budget.isHistory !== true) await this.#deps.leftOut.note(room, state, claimed.pduIds, unverified, source)
      this.#deps.counters.statesFetched += 1
      return state
    }
    return null
  }

  /**
   * What stands for events that one cites and that aren't here: the states after them, as one of the servers says, or,
   * where these can't be had, the state before the citing event. null for nothing.
   */
  async claimed(
    room: InboundRoom,
    eventId: EventId,
    missing: readonly EventId[],
    sources: readonly ServerName[],
    budget: StateBudget,
  ): Promise<ClaimedState | null> {
    const states: StateId[] = []
    // One request is kept back for the citing event's own state.
    if (missing.length < budget.states) {
      for (const prev of missing) {
        const state = await this.#after(room, prev, sources.slice(0, 1), budget)
        if (state === null) break
        states.push(state)
      }
      if (states.length === missing.length) return { after: states }
    }
    const before = await this.before(room, eventId, sources, budget)
    return before === null ? null : { before }
  }

  /** Gets the events that authorise one by way of the state before it, for chains that nobody gives in another way. */
  async fetchFor(room: InboundRoom, eventId: EventId, source: ServerName, budget: StateBudget): Promise<void> {
    if (budget.states-- <= 0) return
    const claimed = await this.#deps.fetcher.stateIds(source, room.roomId, eventId)
    if (claimed !== null) await this.#fetch(room, eventId, source, claimed)
  }

  async #after(
    room: InboundRoom,
    eventId: EventId,
    sources: readonly ServerName[],
    budget: StateBudget,
  ): Promise<StateId | null> {
    const { store, fetcher, reader, authChains } = this.#deps
    const before = await this.before(room, eventId, sources, budget)
    const [source] = sources
    if (before === null || source === undefined) return null
    if ((await unsettledEvents(store, [eventId])).size > 0) {
      const pdus = await fetcher.getEvents(source, [eventId])
      const read = await reader.events(pdus, room.rules, source, room.roomId)
      await authChains.keep(room, [...read.values()], source, authBudget())
    }
    // What lacks others itself may count yet.
    if ((await unsettledEvents(store, [eventId])).size > 0) return null
    const [row] = await store.read((tx) => tx.events.byIds([eventId]))
    if (row === undefined || row.roomNid !== room.nid) return null
    const { type, stateKey } = row.event
    if (row.rejected || stateKey === null) return before
    return store.write((tx) => tx.state.apply(room.nid, before, [{ type, stateKey, event: row.nid }]))
  }

  /** Keeps what isn't here of a state and of what authorises it. */
  async #fetch(room: InboundRoom, eventId: EventId, source: ServerName, claimed: ClaimedIds): Promise<Delivery> {
    const { store, reader, authChains } = this.#deps
    const unknown = await unsettledEvents(store, [...claimed.pduIds, ...claimed.authChainIds])
    const { isWhole, pdus } = await this.#deliver(room, eventId, source, claimed, unknown)
    const events: Event[] = []
    const unverified: UnverifiedEvent[] = []
    const timeSlice = new TimeSlice()
    for (const read of await reader.read(pdus, room.rules, source)) {
      await timeSlice.yieldIfDue()
      const event = read.ok ? read.event : read.unverified?.event
      if (event === undefined || event.roomId !== room.roomId || !unknown.has(event.eventId)) continue
      if (read.ok) events.push(event)
      else if (read.unverified !== undefined) unverified.push(read.unverified)
    }
    await authChains.keep(room, events, source, authBudget())
    return { isWhole, unverified }
  }

  async #deliver(
    room: InboundRoom,
    eventId: EventId,
    source: ServerName,
    claimed: ClaimedIds,
    unknown: ReadonlySet<EventId>,
  ): Promise<{ readonly isWhole: boolean; readonly pdus: readonly JsonObject[] }> {
    const { fetcher } = this.#deps
    if (unknown.size === 0) return { isWhole: true, pdus: [] }
    if (unknown.size <= SINGLE_EVENTS_MAX) {
      const pdus = await fetcher.getEvents(source, [...unknown])
      if (pdus.length === unknown.size) return { isWhole: true, pdus }
      const isSmall = claimed.pduIds.length + claimed.authChainIds.length <= STATE_INSTEAD_MAX
      // A server may tell states and give no single events.
      if (pdus.length > 0 || !isSmall) return { isWhole: false, pdus }
    }
    const whole = await fetcher.state(source, room.roomId, eventId)
    return whole === null ? { isWhole: false, pdus: [] } : { isWhole: true, pdus: [...whole.pdus, ...whole.authChain] }
  }

  /** Whether some of the events may be verified soon: their servers' keys are waited for, but not for long. */
  #mustWait(unverified: readonly UnverifiedEvent[], { isHistory }: StateBudget): boolean {
    if (isHistory === true) return false
    const servers = new Set(unverified.map(({ server }) => server))
    return [...servers].filter((server) => !this.#deps.keyWaits.isOver(server)).length > 0
  }

  async #build({ roomId, nid: room, rules }: InboundRoom, eventIds: readonly EventId[]): Promise<StateId | null> {
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

const authBudget = (): AuthBudget => ({ authRequests: AUTH_REQUESTS_MAX })
