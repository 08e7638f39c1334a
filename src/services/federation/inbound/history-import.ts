import type { Event } from '#core/event/event.ts'
import { provenCitations } from '#core/event/proven-citations.ts'
import { requiredSignatures } from '#core/event/sign.ts'
import { createEventIdOf, type EventId, type RoomId, type ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { AUTH_REQUESTS_MAX } from '#services/federation/inbound/auth-chains.ts'
import type { GatherBudget, Gatherer } from '#services/federation/inbound/gatherer.ts'
import type { InboundCounters } from '#services/federation/inbound/inbound-counters.ts'
import { type InboundRoom, inboundRoom } from '#services/federation/inbound/inbound-room.ts'
import type { PduReader } from '#services/federation/inbound/pdu-reader.ts'
import type { RemoteStates } from '#services/federation/inbound/remote-states.ts'
import { effectOf, redactByEarlier, redactionTarget } from '#services/rooms/pipeline/apply-redaction.ts'
import { forgetEdges } from '#services/rooms/pipeline/auth-graph.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { checkState } from '#services/rooms/pipeline/check-state.ts'
import { inOrder } from '#services/rooms/pipeline/outlier-events.ts'
import { LACKS_AUTH_EVENTS } from '#services/rooms/pipeline/received-events.ts'
import { readAuthState } from '#services/rooms/pipeline/received-state.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'
import type { Gap } from '#store/types/backward-extremities.ts'
import type { History } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

/** Gaps of a room that are looked at. */
const GAPS_MAX = 1_000
/** States that are asked for because of one batch of history. */
const STATES_MAX = 6

type Deps = {
  readonly store: Store
  readonly reader: PduReader
  readonly gatherer: Gatherer
  readonly states: RemoteStates
  readonly counters: InboundCounters
}

type Judged = History['events'][number]

/** What came of a batch of history. */
export type Backfilled = {
  /** Events that took a place. */
  readonly placed: number
  /** Gaps found behind dropped events. */
  readonly opened: number
  /** What comes before a gap is behind an event that can't be taken. */
  readonly isBlocked: boolean
}

/** What is known of a batch while its events are judged, and what they may still cost. */
type Batch = {
  /** Those that have been judged but not written yet. */
  readonly judged: Map<EventId, { readonly event: Event; readonly isRejected: boolean; readonly stateAfter: StateId }>
  readonly past: DroppedEvents
  readonly via: ServerName
  readonly budget: GatherBudget
}

/** Puts events that lie before those that are here into the gaps of a room's timeline. */
export class HistoryImport {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Checks events as any from elsewhere and gives those that fill a gap their place in the room's timeline. What can't be
   * taken, as it is forged or malformed, ends the way back, unless `throughDropped` is set: then it goes on behind that,
   * as far as the hashes of these events prove what comes before them.
   */
  async backfilled(
    roomId: RoomId,
    via: ServerName,
    pdus: readonly JsonObject[],
    throughDropped = false,
  ): Promise<Backfilled> {
    const { store } = this.#deps
    const row = await store.read((tx) => tx.rooms.byId(roomId))
    const room = row === null ? null : inboundRoom(row)
    if (row === null || room === null) return { placed: 0, opened: 0, isBlocked: false }
    const { pool, dropped } = await this.#read(room, via, pdus)
    const past = new DroppedEvents(throughDropped ? dropped : new Map())
    const gaps = await store.read((tx) => tx.backwardExtremities.below(room.nid, row.rankMax, GAPS_MAX))
    const budget = { states: STATES_MAX, authRequests: AUTH_REQUESTS_MAX, isHistory: true }
    let placed = 0
    // What lies before several gaps comes below the lowest of them.
    for (const gap of gaps.toSorted((a, b) => a.rank - b.rank)) {
      const part = takeAncestors(gap, pool, past)
      if (part.size > 0) placed += await this.#fill(room, gap, part, { judged: new Map(), past, via, budget })
    }
    this.#deps.counters.backfilled += placed
    const opened = await this.#openBehind(room, past)
    return { placed, opened, isBlocked: gaps.some(({ missing }) => dropped.has(missing)) }
  }

  /** The events that have no place yet, and what comes before those that can't be taken. */
  async #read(room: InboundRoom, via: ServerName, pdus: readonly JsonObject[]) {
    const pool = new Map<EventId, Event>()
    const dropped = new Map<EventId, readonly EventId[]>()
    const timeSlice = new TimeSlice()
    for (const [index, read] of (await this.#deps.reader.read(pdus, room.rules, via)).entries()) {
      await timeSlice.yieldIfDue()
      if (read.ok) {
        if (read.event.roomId === room.roomId) pool.set(read.event.eventId, read.event)
        continue
      }
      const proven = provenCitations(pdus[index]!, room.rules)
      if (proven !== null) dropped.set(proven.eventId, proven.prevEvents)
    }
    for (const eventId of pool.keys()) dropped.delete(eventId)
    const known = await this.#deps.store.read((tx) => tx.events.known([...pool.keys()]))
    for (const [eventId, row] of known) if (!row.isOutlier || row.roomNid !== room.nid) pool.delete(eventId)
    return { pool, dropped }
  }

  /** What comes before dropped events and isn't here is missing in their place. */
  #openBehind(room: InboundRoom, past: DroppedEvents): Promise<number> {
    if (past.met.size === 0) return Promise.resolve(0)
    return this.#deps.store.write(async (tx) => {
      let opened = 0
      for (const eventId of past.met) {
        const ids = past.behind([eventId])
        const known = await tx.events.known(ids)
        const missing = ids.filter((id) => known.get(id)?.isOutlier ?? true)
        opened += await tx.backwardExtremities.openBehind(room.nid, eventId, missing)
      }
      return opened
    })
  }

  async #fill(room: InboundRoom, gap: Gap, part: ReadonlyMap<EventId, Event>, batch: Batch): Promise<number> {
    const judged: Judged[] = []
    const { past } = batch
    // What lies between an event and those that authorise it may have its place already.
    const cites = ({ prevEvents, authEvents }: Event) => [...past.behind(prevEvents), ...authEvents]
    for (const event of inOrder(part, cites)) {
      const found = await this.#judge(room, event, batch)
      if (found !== null) judged.push(found)
    }
    if (judged.length === 0) return 0
    const { store } = this.#deps
    const nids = await store.write(async (tx) => {
      const placed = await tx.events.addHistory({ roomNid: room.nid, beforeRank: gap.rank, events: judged })
      for (const [index, { nid }] of placed.entries()) {
        const entry = judged[index]
        if (entry?.verdict === 'accepted') await redactByEarlier(tx, entry.event, nid)
      }
      return placed.map(({ nid }) => nid)
    })
    forgetEdges(store, nids)
    return nids.length
  }

  /** null where the event can't be judged; else it is noted in the batch. */
  async #judge(room: InboundRoom, event: Event, batch: Batch): Promise<Judged | null> {
    const { store } = this.#deps
    const auth = await this.#auth(room, event, batch)
    if (auth === null) return null
    const before = await this.#stateBefore(room, event, batch)
    if (before === null) return null
    const lookup = await store.read((tx) => readAuthState(tx, before, event))
    let verdict = checkAuthEvents(event, {
      ...auth,
      isSignedBy: (server) => requiredSignatures(event).has(server),
    })
    if (verdict.outcome === 'accept' && event.type !== 'm.room.create') verdict = checkState(event, lookup, lookup)
    if (verdict.outcome === 'reject') {
      batch.judged.set(event.eventId, { event, isRejected: true, stateAfter: before })
      return { event, verdict: 'rejected', reason: `${verdict.rule}: ${verdict.reason}`, stateBefore: before }
    }
    const stateAfter = await this.#stateAfter(room, event, before)
    batch.judged.set(event.eventId, { event, isRejected: false, stateAfter })
    const target = await store.read((tx) => redactionTarget(tx, event))
    return { event, verdict: 'accepted', stateBefore: before, ...effectOf(event, target, lookup) }
  }

  async #auth(room: InboundRoom, event: Event, batch: Batch) {
    const { judged, via, budget } = batch
    const wanted = [...event.authEvents]
    const isCreate = event.type === 'm.room.create'
    if (room.rules.roomIdIsCreateHash && !isCreate) wanted.push(createEventIdOf(room.roomId))
    let known = await this.#known(wanted, judged)
    const missing = wanted.filter((id) => !known.has(id))
    if (missing.length > 0) {
      if (!(await this.#deps.gatherer.authEvents(room, event, missing, [via], budget))) return null
      known = await this.#known(wanted, judged)
      if (!wanted.every((id) => known.has(id))) return null
    }
    const create = [...known.values()].find((one) => one.event.type === 'm.room.create' && !one.isRejected)
    return {
      authEvents: event.authEvents.flatMap((id) => known.get(id)?.event ?? []),
      create: create?.event,
      isRejected: (eventId: EventId) => known.get(eventId)?.isRejected ?? false,
    }
  }

  /** Events whose verdict is settled: of the batch, or stored and not rejected only for lack of others. */
  async #known(ids: readonly EventId[], batch: Batch['judged']) {
    const elsewhere = ids.filter((id) => !batch.has(id))
    return this.#deps.store.read(async (tx) => {
      const known = new Map<EventId, { readonly event: Event; readonly isRejected: boolean }>()
      for (const { event, nid, rejected } of await tx.events.byIds(elsewhere)) {
        const isSettled = !rejected || (await tx.events.rejectionReason(nid)) !== LACKS_AUTH_EVENTS
        if (isSettled) known.set(event.eventId, { event, isRejected: rejected })
      }
      for (const id of ids) {
        const one = batch.get(id)
        if (one !== undefined) known.set(id, one)
      }
      return known
    })
  }

  async #stateBefore(room: InboundRoom, event: Event, { judged, past, via, budget }: Batch): Promise<StateId | null> {
    const { store, states: remote } = this.#deps
    if (event.prevEvents.length === 0) return 0 as StateId
    // A dropped event changes nothing: the state after it is the one before it.
    const behind = past.behind(event.prevEvents)
    const prev = behind.length === 0 ? event.prevEvents : behind
    const elsewhere = prev.filter((id) => !judged.has(id))
    const rows = await store.read((tx) => tx.events.byIds(elsewhere))
    const whole = await this.#wholeBefore(room)
    const placed = rows.filter(
      (row) => row.rank !== null && row.roomNid === room.nid && (row.position === null || row.position < whole),
    )
    const states = placed.map((row) => row.stateAfter)
    for (const id of prev) {
      const after = judged.get(id)?.stateAfter
      if (after !== undefined) states.push(after)
    }
    if (placed.length < elsewhere.length) {
      const here = new Set(placed.map((row) => row.event.eventId))
      const missing = elsewhere.filter((id) => !here.has(id))
      const claimed = await remote.claimed(room, event.eventId, missing, [via], budget)
      if (claimed === null) return null
      if ('before' in claimed) return claimed.before
      states.push(...claimed.after)
    }
    return stateBefore(store, room.nid, room.rules, states)
  }

  /** The position from which on the states of the room's events lack members, as these are still being fetched. */
  async #wholeBefore({ nid }: InboundRoom): Promise<number> {
    return this.#deps.store.read(async (tx) => {
      const partial = (await tx.rooms.byNid(nid))?.partial ?? null
      if (partial === null) return Number.POSITIVE_INFINITY
      const first = await tx.events.byId(partial.earlierJoins?.[0] ?? partial.joinEvent)
      return first?.position ?? 0
    })
  }

  #stateAfter(room: InboundRoom, event: Event, before: StateId): Promise<StateId> | StateId {
    const { stateKey } = event
    if (stateKey === null) return before
    return this.#deps.store.write(async (tx) => {
      const [nid] = await tx.events.addOutliers(room.nid, [{ event, verdict: 'accepted' }])
      if (nid === undefined) throw new Error('The store gave no number')
      return tx.state.apply(room.nid, before, [{ type: event.type, stateKey, event: nid }])
    })
  }
}

/** Takes the events out of the pool that lie before a gap. */
function takeAncestors(gap: Gap, pool: Map<EventId, Event>, past: DroppedEvents): Map<EventId, Event> {
  const part = new Map<EventId, Event>()
  const pending = past.behind([gap.missing])
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const event = pool.get(id)
    if (event === undefined) continue
    pool.delete(id)
    part.set(id, event)
    pending.push(...past.behind(event.prevEvents))
  }
  return part
}

/** Events that can't be taken, as far as their hashes prove what comes before them. */
class DroppedEvents {
  readonly #previous: ReadonlyMap<EventId, readonly EventId[]>
  /** Those that lay on the way. */
  readonly met = new Set<EventId>()

  constructor(previous: ReadonlyMap<EventId, readonly EventId[]>) {
    this.#previous = previous
  }

  /** These events, with what comes before them in the place of dropped ones. */
  behind(eventIds: readonly EventId[]): EventId[] {
    const seen = new Set(eventIds)
    const found: EventId[] = []
    for (const id of seen) {
      const previous = this.#previous.get(id)
      if (previous === undefined) found.push(id)
      else this.met.add(id)
      for (const other of previous ?? []) seen.add(other)
    }
    return found
  }
}
