import type { StateLookup } from '#core/auth/room-view.ts'
import type { Event } from '#core/event/event.ts'
import { requiredSignatures } from '#core/event/sign.ts'
import { createEventIdOf, type EventId, type RoomId } from '#core/ids.ts'
import { limitExceeded } from '#services/rate-limits/rate-limiter.ts'
import { effectOf, redactByEarlier, redactionTarget } from '#services/rooms/pipeline/apply-redaction.ts'
import { forgetEdges } from '#services/rooms/pipeline/auth-graph.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { checkState } from '#services/rooms/pipeline/check-state.ts'
import { acceptLinearRun } from '#services/rooms/pipeline/linear-batch.ts'
import { filledUp, readAuthState } from '#services/rooms/pipeline/received-state.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import type { Verdict } from '#services/rooms/pipeline/verdict.ts'
import type { RoomQueues } from '#services/rooms/queue/room-queues.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx, Store } from '#store/store.ts'
import { type EventNid, type EventRow, type NewEvent, StaleHeadError } from '#store/types/events.ts'
import type { Extremity, RoomRow } from '#store/types/rooms.ts'
import type { ClaimedState, StateId } from '#store/types/state.ts'

/** Why an event is kept as rejected that may be none: it is judged again when it has what it lacked. */
export const LACKS_AUTH_EVENTS = 'auth events are missing'
/** How often an event is judged again because other processes wrote to the room. */
const ATTEMPTS_MAX = 50
const RETRY_AFTER_MS = 1_000

/** An event from elsewhere whose format, signatures and hash have been checked. */
export type ReceivedEvent = {
  readonly event: Event
  /** By what others say, where it cites events that aren't here. States after these are resolved with the known ones. */
  readonly claimed?: ClaimedState
}

export type Judgement =
  | Extract<Verdict, { outcome: 'accept' | 'soft-fail' | 'reject' | 'drop' }>
  /** It has its place in the room's timeline already. */
  | { readonly outcome: 'known'; readonly rejected: boolean }
  /** Can't be judged before these are here. */
  | { readonly outcome: 'missing'; readonly auth: readonly EventId[]; readonly prev: readonly EventId[] }

/** What the store has of what one event cites. */
type Cited = {
  readonly room: RoomRow
  readonly extremities: readonly Extremity[]
  readonly known: EventRow | null
  readonly auth: readonly EventRow[]
  /** Rejected only because they lacked something themselves. */
  readonly unsettled: ReadonlySet<EventId>
  readonly prev: readonly EventRow[]
  readonly create: Event | undefined
}

/** Judges events from elsewhere and puts them into their rooms: the same steps that own events take, and forks. */
export class ReceivedEvents {
  readonly #store: Store
  readonly #queues: RoomQueues
  readonly #onUnrejected: () => void
  readonly #onGuestAccess: (roomId: RoomId) => Promise<void>

  /**
   * @param onUnrejected told of each event that had been rejected for lack of others
   * @param onGuestAccess told of a room whose guest access others have changed, outside of the room's turn
   */
  constructor(
    store: Store,
    queues: RoomQueues,
    onUnrejected: () => void = () => {},
    onGuestAccess: (roomId: RoomId) => Promise<void> = async () => {},
  ) {
    this.#store = store
    this.#queues = queues
    this.#onUnrejected = onUnrejected
    this.#onGuestAccess = onGuestAccess
  }

  /**
   * Judges and commits events of one room that is here, in the order given, each on its own: one that is missing
   * something holds none of the others up. Resolves when all are on disk.
   */
  async accept(roomId: RoomId, events: readonly ReceivedEvent[]): Promise<Map<EventId, Judgement>> {
    const timeSlice = new TimeSlice()
    const judgements = new Map<EventId, Judgement>()
    // Any state event may bring another one to the top, by ending a fork.
    const mayChange = events.some(({ event }) => event.stateKey !== null)
    const hasChanged = await this.#queues.inTurn(roomId, async () => {
      const before = mayChange ? await this.#guestAccess(roomId) : null
      for (let at = 0; at < events.length; ) {
        const run = await acceptLinearRun(this.#store, roomId, untilClaimed(events, at))
        for (const { event } of events.slice(at, at + run)) judgements.set(event.eventId, { outcome: 'accept' })
        at += run
        const received = events[at]
        if (run === 0 && received !== undefined) {
          judgements.set(received.event.eventId, await this.#accept(roomId, received))
          at += 1
        }
        await timeSlice.yieldIfDue()
      }
      return mayChange && (await this.#guestAccess(roomId)) !== before
    })
    if (hasChanged) await this.#onGuestAccess(roomId)
    return judgements
  }

  #guestAccess(roomId: RoomId): Promise<EventNid | null> {
    return this.#store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      return room === null ? null : tx.state.currentOne(room.nid, 'm.room.guest_access', '')
    })
  }

  async #accept(roomId: RoomId, received: ReceivedEvent): Promise<Judgement> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      try {
        return await this.#judge(roomId, received)
      } catch (error) {
        if (!(error instanceof StaleHeadError)) throw error
      }
    }
    throw limitExceeded(RETRY_AFTER_MS)
  }

  async #judge(roomId: RoomId, received: ReceivedEvent): Promise<Judgement> {
    const { event } = received
    const cited = await this.#store.read((tx) => readCited(tx, roomId, event))
    const obstacle = findObstacle(received, cited)
    if (obstacle !== null) return obstacle
    const { room } = cited
    const authEvents = cited.auth.map((row) => row.event)
    const rejected = new Set(cited.auth.filter((row) => row.rejected).map((row) => row.event.eventId))
    let verdict = checkAuthEvents(event, {
      authEvents,
      create: cited.create,
      isRejected: (eventId) => rejected.has(eventId),
      isSignedBy: (server) => requiredSignatures(event).has(server),
    })
    const before = await this.#stateBefore(received, cited)
    const lookup = await this.#store.read((tx) => readAuthState(tx, before, event))
    if (verdict.outcome === 'accept') {
      // While not all members are known, the current state, resolved from what is known, can't be held against anybody.
      verdict =
        room.partial === null
          ? checkState(event, lookup, await this.#authStateNow(room, event, before, lookup))
          : checkState(event, filledUp(lookup, authEvents))
    }
    if (verdict.outcome !== 'accept') return this.#refuse(cited, received, before, verdict)
    const target = await this.#store.read((tx) => redactionTarget(tx, event))
    await this.#commit(cited, received, {
      event,
      verdict: 'accepted',
      stateBefore: before,
      ...effectOf(event, target, lookup),
    })
    if (cited.known?.rejected === true) this.#onUnrejected()
    return verdict
  }

  /** Of the event's own branch, which may not be among the extremities yet, the room's state as it then is. */
  async #authStateNow(room: RoomRow, event: Event, before: StateId, then: StateLookup): Promise<StateLookup> {
    const current = await stateBefore(this.#store, room.nid, event.rules, [room.stateId, before])
    return current === before ? then : this.#store.read((tx) => readAuthState(tx, current, event))
  }

  async #refuse(cited: Cited, received: ReceivedEvent, before: StateId, verdict: Verdict): Promise<Judgement> {
    if (verdict.outcome !== 'soft-fail' && verdict.outcome !== 'reject') throw new Error('No refusal')
    const { outcome, rule, reason } = verdict
    await this.#commit(cited, received, {
      event: received.event,
      verdict: outcome === 'reject' ? 'rejected' : 'soft-failed',
      reason: `${rule}: ${reason}`,
      stateBefore: before,
      ...effectOf(received.event, null, () => undefined),
    })
    return verdict
  }

  #stateBefore({ event, claimed }: ReceivedEvent, { room, prev }: Cited): Promise<StateId> | StateId {
    if (claimed !== undefined && 'before' in claimed) return claimed.before
    const states = [...prev.map(({ stateAfter }) => stateAfter), ...(claimed?.after ?? [])]
    // Nothing comes before an event that cites none; only a create event may.
    if (states.length === 0) return 0 as StateId
    return stateBefore(this.#store, room.nid, event.rules, states)
  }

  /** Writes an event, with the current state that its room then has, and the redaction of it that came first. */
  async #commit({ room, extremities, known }: Cited, { claimed }: ReceivedEvent, event: NewEvent): Promise<void> {
    const currentState = await this.#currentState(room, extremities, event, known)
    await this.#store.write(async (tx) => {
      const { events } = await tx.events.append({
        roomNid: room.nid,
        expectedHeadSeq: room.headSeq,
        events: [event],
        ...(currentState === null ? {} : { currentState }),
      })
      if (room.partial !== null && claimed !== undefined) {
        await tx.rooms.putClaimedState(room.nid, event.event.eventId, claimed)
      }
      const placed = events[0]
      if (placed !== undefined && event.verdict !== 'rejected') await redactByEarlier(tx, event.event, placed.nid)
    })
    if (known !== null) forgetEdges(this.#store, [known.nid])
  }

  /** Resolves the states of all extremities; null where the store's own reckoning will do. */
  async #currentState(
    room: RoomRow,
    extremities: readonly Extremity[],
    { event, verdict, stateBefore: before }: NewEvent,
    known: EventRow | null,
  ): Promise<StateId | null> {
    if (verdict !== 'accepted' || before === 'previous') return null
    const cited = new Set(event.prevEvents)
    const others = extremities.filter(({ eventId }) => !cited.has(eventId)).map(({ stateAfter }) => stateAfter)
    if (others.length === 0) return null
    const after = event.stateKey === null ? before : await this.#stateAfter(room, event, before, known)
    return stateBefore(this.#store, room.nid, event.rules, [after, ...others])
  }

  /** The state after a state event that is yet to be written: it gets its number first, outside of the timeline. */
  #stateAfter(room: RoomRow, event: Event, before: StateId, known: EventRow | null): Promise<StateId> {
    return this.#store.write(async (tx) => {
      const nid = known?.nid ?? (await tx.events.addOutliers(room.nid, [{ event, verdict: 'accepted' }]))[0]
      if (nid === undefined) throw new Error('The store gave no number')
      return tx.state.apply(room.nid, before, [{ type: event.type, stateKey: event.stateKey ?? '', event: nid }])
    })
  }
}

/** The events from a place on, up to one whose state before it others told. */
function untilClaimed(events: readonly ReceivedEvent[], from: number): Event[] {
  const rest = events.slice(from)
  const end = rest.findIndex(({ claimed }) => claimed !== undefined)
  return (end === -1 ? rest : rest.slice(0, end)).map(({ event }) => event)
}

async function readCited(tx: ReadTx, roomId: RoomId, event: Event): Promise<Cited> {
  const room = await tx.rooms.byId(roomId)
  if (room === null) throw new Error(`No room ${roomId}`)
  const auth = await tx.events.byIds(event.authEvents)
  const unsettled = new Set<EventId>()
  for (const row of auth) {
    if (row.rejected && (await tx.events.rejectionReason(row.nid)) === LACKS_AUTH_EVENTS) {
      unsettled.add(row.event.eventId)
    }
  }
  const create = event.rules.roomIdIsCreateHash ? await tx.events.byId(createEventIdOf(roomId)) : null
  return {
    room,
    extremities: await tx.rooms.extremities(room.nid),
    known: await tx.events.byId(event.eventId),
    auth,
    unsettled,
    prev: (await tx.events.byIds(event.prevEvents)).filter((row) => row.rank !== null || row.roomNid !== room.nid),
    create: create?.rejected === false ? create.event : undefined,
  }
}

/** What ends the judging of an event before it has begun; null for nothing. */
function findObstacle({ event, claimed }: ReceivedEvent, cited: Cited): Judgement | null {
  const { room, known, auth, prev, unsettled } = cited
  // Only in room versions whose senders choose event ids.
  if (known !== null && known.roomNid !== room.nid) return drop('event id', 'another room has an event of this id')
  if (known !== null && known.rank !== null) return { outcome: 'known', rejected: known.rejected }
  // What happens after the last local member has left can't be followed, let alone judged.
  if (!room.isResident) return drop('room', 'this server is not in the room')
  if (prev.some((row) => row.roomNid !== room.nid))
    return drop('prev_events', 'prev_events has an entry of another room')
  if (event.type === 'm.room.create') return drop('create', 'the room has a create event')
  if (event.prevEvents.length === 0) return drop('prev_events', 'an event that is not the first cites none')
  const authAtHand = new Set(auth.map((row) => row.event.eventId).filter((id) => !unsettled.has(id)))
  const prevAtHand = new Set(prev.map((row) => row.event.eventId))
  const missing = {
    auth: event.authEvents.filter((id) => !authAtHand.has(id)),
    prev: claimed === undefined ? event.prevEvents.filter((id) => !prevAtHand.has(id)) : [],
  }
  return missing.auth.length + missing.prev.length === 0 ? null : { outcome: 'missing', ...missing }
}

function drop(rule: string, reason: string): Judgement {
  return { outcome: 'drop', rule, reason }
}
