/** Events that rooms' states had to be built without, as a key for their signatures could not be had. */
import type { Event } from '#core/event/event.ts'
import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import { EVENT_DEPTH_MAX, parseJson } from '#core/json/parse.ts'
import { jsonText } from '#core/json/text.ts'
import { isJsonObject, type JsonObject } from '#core/json/value.ts'
import { type InboundRoom, inboundRoom } from '#services/federation/inbound/inbound-room.ts'
import type { PduReader, UnverifiedEvent } from '#services/federation/inbound/pdu-reader.ts'
import { unsettledEvents } from '#services/federation/inbound/unsettled-events.ts'
import type { KeptOutlier, OutlierEvents } from '#services/rooms/pipeline/outlier-events.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import type { RoomQueues } from '#services/rooms/queue/room-queues.ts'
import type { Timers } from '#services/time/timers.ts'
import type { ReadTx, Store } from '#store/store.ts'
import { type EventRow, StaleHeadError } from '#store/types/events.ts'
import type { LeftOutEvent } from '#store/types/inbound.ts'
import type { StateId } from '#store/types/state.ts'

/** How often their keys are looked for. */
export const LEFT_OUT_RETRY_MS = 60 * 60 * 1_000
/** Of one room; further ones are only left out. */
export const LEFT_OUT_PER_ROOM_MAX = 200

type Deps = {
  readonly store: Store
  readonly queues: RoomQueues
  readonly reader: PduReader
  readonly outliers: OutlierEvents
  readonly timers: Timers
  /** Told of a room that such events have come into. */
  readonly onTaken: (roomId: RoomId) => void
  readonly onError: (error: unknown) => void
}

/** What a state would have had besides. */
type Late = { readonly state: StateId; readonly entries: readonly Entry[] }
type Entry = { readonly type: string; readonly stateKey: string; readonly event: KeptOutlier['nid'] }

/**
 * Remembers such events, and takes them into their rooms when their keys turn up: into the state on which the next events
 * build, and so into the current one, where nothing newer has taken their place. Events between then and now keep the
 * states and verdicts that they were given.
 */
export class LeftOutEvents {
  readonly #deps: Deps
  #cancelTimer: (() => void) | null = null
  #round: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Goes on with what an earlier run left. */
  async resume(): Promise<void> {
    if ((await this.#deps.store.read((tx) => tx.inbound.roomsWithLeftOut())).length > 0) this.#schedule()
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#round
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer?.()
    await this.#round
  }

  /**
   * Remembers what a state was built without: `unverified`, and those of its events (`claimed`) that these authorise.
   * `via` told it all.
   */
  async note(
    room: InboundRoom,
    state: StateId,
    claimed: readonly EventId[],
    unverified: readonly UnverifiedEvent[],
    via: ServerName,
  ): Promise<void> {
    if (unverified.length === 0) return
    const { store } = this.#deps
    const inState = new Set(claimed)
    const events = new Map<EventId, LeftOutEvent>()
    for (const { event } of unverified) {
      const { eventId } = event
      events.set(eventId, { eventId, state, isInState: inState.has(eventId), via, json: jsonText(event.json) })
    }
    for (const eventId of await unsettledEvents(store, claimed)) {
      if (!events.has(eventId)) events.set(eventId, { eventId, state, isInState: true, via, json: null })
    }
    await store.write(async (tx) => {
      const count = (await tx.inbound.leftOut(room.nid, LEFT_OUT_PER_ROOM_MAX)).length
      await tx.inbound.putLeftOut(room.nid, [...events.values()].slice(0, LEFT_OUT_PER_ROOM_MAX - count))
    })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isClosed || this.#cancelTimer !== null) return
    this.#cancelTimer = this.#deps.timers.after(LEFT_OUT_RETRY_MS, () => {
      this.#cancelTimer = null
      this.#round = this.#tryAll().catch(this.#deps.onError)
    })
  }

  async #tryAll(): Promise<void> {
    const { store, onError } = this.#deps
    const rooms = await store.read((tx) => tx.inbound.roomsWithLeftOut())
    for (const nid of rooms) {
      if (this.#isClosed) return
      const room = await store.read((tx) => tx.rooms.byNid(nid))
      const here = room === null ? null : inboundRoom(room)
      // The full state that a partial one waits for is asked for with them.
      if (here === null || room?.isResident !== true || room.partial !== null) continue
      await this.#tryRoom(here).catch(onError)
    }
    if (rooms.length > 0) this.#schedule()
  }

  async #tryRoom(room: InboundRoom): Promise<void> {
    const { store, outliers } = this.#deps
    const leftOut = await store.read((tx) => tx.inbound.leftOut(room.nid, LEFT_OUT_PER_ROOM_MAX))
    const { verified, refused } = await this.#verify(room, leftOut)
    const waiting = leftOut.filter(({ json }) => json === null).map(({ eventId }) => eventId)
    const stored = verified.length === 0 ? [] : await store.read((tx) => tx.events.byIds(waiting))
    const kept = await outliers.keep(room.nid, [...verified, ...stored.map(({ event }) => event)])
    if (verified.length > 0 && !(await this.#take(room, lateEntries(leftOut, kept)))) return
    const isSettled = (eventId: EventId) => (kept.get(eventId)?.outcome ?? 'missing') !== 'missing'
    const done = leftOut.map(({ eventId }) => eventId).filter((eventId) => refused.has(eventId) || isSettled(eventId))
    if (done.length > 0) await store.write((tx) => tx.inbound.dropLeftOut(room.nid, done))
    if (verified.length > 0) this.#deps.onTaken(room.roomId)
  }

  /** Checks the events' signatures again; `refused` are those that prove to be forged. */
  async #verify(room: InboundRoom, leftOut: readonly LeftOutEvent[]) {
    const verified: Event[] = []
    const refused = new Set<EventId>()
    for (const via of new Set(leftOut.map((event) => event.via))) {
      const some = leftOut.filter((event) => event.via === via && event.json !== null)
      const reads = await this.#deps.reader.read(some.map(parseLeftOut), room.rules, via)
      for (const [index, read] of reads.entries()) {
        if (read.ok) verified.push(read.event)
        else if (read.unverified === undefined) refused.add(some[index]!.eventId)
      }
    }
    return { verified, refused }
  }

  /** False where another process has written to the room meanwhile. */
  #take(room: InboundRoom, late: readonly Late[]): Promise<boolean> {
    return this.#deps.queues.inTurn(room.roomId, async () => {
      const { store } = this.#deps
      const { row, extremities } = await store.read(async (tx) => {
        const nids = (await tx.rooms.extremities(room.nid)).map(({ nid }) => nid)
        return { row: await tx.rooms.byNid(room.nid), extremities: [...(await tx.events.byNids(nids)).values()] }
      })
      const changed = new Map<EventRow, StateId>()
      const after: StateId[] = []
      for (const extremity of extremities) {
        const before = await this.#completed(room, extremity.stateBefore, late)
        if (before !== extremity.stateBefore) changed.set(extremity, before)
        after.push(await this.#stateAfter(room, extremity, before))
      }
      if (row === null || changed.size === 0) return true
      const currentState = await stateBefore(store, room.nid, room.rules, after)
      try {
        await store.write(async (tx) => {
          for (const [{ nid }, before] of changed) await tx.events.reevaluate(nid, 'accepted', undefined, before)
          await tx.events.append({ roomNid: room.nid, expectedHeadSeq: row.headSeq, events: [], currentState })
        })
      } catch (error) {
        if (error instanceof StaleHeadError) return false
        throw error
      }
      return true
    })
  }

  /** A state with what others lacked, where it has still what they had instead. */
  async #completed({ nid, rules }: InboundRoom, state: StateId, late: readonly Late[]): Promise<StateId> {
    const { store } = this.#deps
    let completed = state
    for (const { state: then, entries } of late) {
      const due = await store.read((tx) => stillDue(tx, state, then, entries))
      if (due.length === 0) continue
      const base = completed
      const added = await store.write((tx) => tx.state.apply(nid, base, due))
      completed = await stateBefore(store, nid, rules, [base, added])
    }
    return completed
  }

  #stateAfter({ nid: room }: InboundRoom, { event, nid, stateBefore, stateAfter }: EventRow, before: StateId) {
    const { type, stateKey } = event
    if (before === stateBefore) return stateAfter
    if (stateKey === null) return before
    return this.#deps.store.write((tx) => tx.state.apply(room, before, [{ type, stateKey, event: nid }]))
  }
}

/** The accepted events, by the states that lack them. */
function lateEntries(leftOut: readonly LeftOutEvent[], kept: ReadonlyMap<EventId, KeptOutlier>): Late[] {
  const byState = new Map<StateId, Entry[]>()
  for (const { eventId, state, isInState } of leftOut) {
    const outlier = kept.get(eventId)
    if (!isInState || outlier?.outcome !== 'accept' || outlier.event.stateKey === null) continue
    const { type, stateKey } = outlier.event
    const entries = byState.get(state) ?? []
    byState.set(state, [...entries, { type, stateKey, event: outlier.nid }])
  }
  return [...byState].map(([state, entries]) => ({ state, entries }))
}

async function stillDue(tx: ReadTx, now: StateId, then: StateId, entries: readonly Entry[]): Promise<Entry[]> {
  const keys = entries.map(({ type, stateKey }) => [type, stateKey] as const)
  const had = await tx.state.getMany(then, keys)
  const has = await tx.state.getMany(now, keys)
  return entries.filter((_entry, index) => has[index] === had[index])
}

function parseLeftOut({ json }: LeftOutEvent): JsonObject {
  const parsed = parseJson(Buffer.from(json ?? '{}'), { depthMax: EVENT_DEPTH_MAX, lossless: true })
  return isJsonObject(parsed) ? parsed : {}
}
