/** Events from elsewhere that follow each other: the common case, judged and written together. */
import { authEventKeys } from '#core/event/auth-events.ts'
import { type Event, type StateKey, stateMapKey } from '#core/event/event.ts'
import { requiredSignatures } from '#core/event/sign.ts'
import { createEventIdOf, type EventId, type RoomId } from '#core/ids.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { checkState } from '#services/rooms/pipeline/check-state.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import type { ReadTx, Store } from '#store/store.ts'
import { StaleHeadError } from '#store/types/events.ts'
import type { RoomRow } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/** As many as a transaction may hold. */
const RUN_EVENTS_MAX = 50

/** Events of which each cites the one before it alone, and where they stand. */
type Run = {
  readonly room: RoomRow
  readonly events: readonly Event[]
  /** States after what the first one cites. */
  readonly citedStates: readonly StateId[]
  /** States after the extremities that it doesn't cite. */
  readonly otherStates: readonly StateId[]
}

/** The states that all events of a run are judged by, as long as none of them changes it. */
type States = {
  /** Before the events. */
  readonly before: StateId
  /** The room's current state, with what the events' own branch says. */
  readonly current: StateId
  /** The room's current state after the events, where the store doesn't find it by itself. */
  readonly after: StateId | null
}

/**
 * Accepts the first of these events as far as each cites the one before it, and nothing about it is special: the state
 * before them is found once, and one write does for all. On top of the room they may change its state, beside it they
 * may not. What isn't accepted here has not been refused: it is to be judged by itself.
 *
 * @returns how many of the events were accepted and written
 */
export async function acceptLinearRun(store: Store, roomId: RoomId, events: readonly Event[]): Promise<number> {
  const run = await store.read((tx) => findRun(tx, roomId, events.slice(0, RUN_EVENTS_MAX)))
  const first = run?.events[0]
  if (run === null || first === undefined) return 0
  const { room } = run
  const states = await statesOf(store, run, first)
  const accepted = await store.read((tx) => judge(tx, run.events, states))
  if (accepted.length === 0) return 0
  try {
    await store.append({
      roomNid: room.nid,
      expectedHeadSeq: room.headSeq,
      events: accepted.map((event) => ({
        event,
        verdict: 'accepted',
        stateBefore: event === first ? states.before : 'previous',
      })),
      ...(states.after === null ? {} : { currentState: states.after }),
    })
  } catch (error) {
    // Another process has written to the room.
    if (error instanceof StaleHeadError) return 0
    throw error
  }
  return accepted.length
}

/** null where the first event isn't for here. */
async function findRun(tx: ReadTx, roomId: RoomId, events: readonly Event[]): Promise<Run | null> {
  const [first] = events
  const room = await tx.rooms.byId(roomId)
  if (room === null || !room.isResident || room.partial !== null || first === undefined) return null
  const prev = await tx.events.byIds(first.prevEvents)
  const isComplete = prev.length > 0 && prev.length === first.prevEvents.length
  if (!isComplete || prev.some(({ rank, roomNid }) => rank === null || roomNid !== room.nid)) return null
  const cited = new Set(first.prevEvents)
  const others = (await tx.rooms.extremities(room.nid)).filter(({ eventId }) => !cited.has(eventId))
  return {
    room,
    events: await withoutSpecial(tx, chainOf(events)),
    citedStates: prev.map(({ stateAfter }) => stateAfter),
    otherStates: others.map(({ stateAfter }) => stateAfter),
  }
}

async function statesOf(store: Store, { room, citedStates, otherStates }: Run, { rules }: Event): Promise<States> {
  const before = await stateBefore(store, room.nid, rules, citedStates)
  return {
    before,
    current: await stateBefore(store, room.nid, rules, [room.stateId, before]),
    after: otherStates.length === 0 ? null : await stateBefore(store, room.nid, rules, [before, ...otherStates]),
  }
}

/** The events that are accepted, up to the first that isn't. */
async function judge(tx: ReadTx, events: readonly Event[], { before, current, after }: States): Promise<Event[]> {
  const cited = await readCited(tx, events)
  const then = await readState(tx, before, events)
  const now = current === before ? then : await readState(tx, current, events)
  const mayChange = now === then && after === null
  const accepted: Event[] = []
  for (const event of events) {
    if (event.stateKey !== null && !mayChange) break
    if (!isAccepted(event, cited, then, now)) break
    accepted.push(event)
    cited.set(event.eventId, event)
    if (event.stateKey !== null) then.set(stateMapKey(event.type, event.stateKey), event)
  }
  return accepted
}

/** The events as far as each of them cites the one before it alone. */
function chainOf(events: readonly Event[]): readonly Event[] {
  const end = events.findIndex(({ prevEvents }, index) => {
    return index > 0 && (prevEvents.length !== 1 || prevEvents[0] !== events[index - 1]?.eventId)
  })
  return end === -1 ? events : events.slice(0, end)
}

/** The events before the first one that is known, or that has to do with a redaction. */
async function withoutSpecial(tx: ReadTx, chain: readonly Event[]): Promise<readonly Event[]> {
  const ids = chain.map(({ eventId }) => eventId)
  const known = await tx.events.known(ids)
  const redactions = await tx.events.pendingRedactions(ids)
  const end = chain.findIndex(
    ({ eventId, redacts, type }) =>
      redacts !== null || type === 'm.room.create' || known.has(eventId) || redactions.has(eventId),
  )
  return end === -1 ? chain : chain.slice(0, end)
}

/** What the events cite as authorisation, and the create event, but for what was rejected. */
async function readCited(tx: ReadTx, events: readonly Event[]): Promise<Map<EventId, Event>> {
  const ids = new Set(events.flatMap((event) => [...event.authEvents, ...impliedCreate(event)]))
  const rows = await tx.events.byIds([...ids])
  return new Map(rows.filter(({ rejected }) => !rejected).map(({ event }) => [event.eventId, event]))
}

function impliedCreate({ rules, roomId }: Event): EventId[] {
  return rules.roomIdIsCreateHash ? [createEventIdOf(roomId)] : []
}

/** What of a state the authorisation rules may ask for about the events. */
async function readState(tx: ReadTx, state: StateId, events: readonly Event[]): Promise<Map<string, Event>> {
  const keys = new Map<string, StateKey>()
  const always: StateKey[] = [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
  ]
  for (const key of [...always, ...events.flatMap((event) => authEventKeys(event, event.rules))]) {
    keys.set(stateMapKey(...key), key)
  }
  const nids = await tx.state.getMany(state, [...keys.values()])
  const rows = await tx.events.byNids(nids.filter((nid) => nid !== null))
  const found = new Map<string, Event>()
  for (const [index, name] of [...keys.keys()].entries()) {
    const nid = nids[index] ?? null
    const row = nid === null ? undefined : rows.get(nid)
    if (row !== undefined) found.set(name, row.event)
  }
  return found
}

function isAccepted(
  event: Event,
  cited: ReadonlyMap<EventId, Event>,
  then: ReadonlyMap<string, Event>,
  now: ReadonlyMap<string, Event>,
): boolean {
  const authEvents = event.authEvents.flatMap((eventId) => cited.get(eventId) ?? [])
  if (authEvents.length < event.authEvents.length) return false
  const [createId] = impliedCreate(event)
  const authorised = checkAuthEvents(event, {
    authEvents,
    create: createId === undefined ? undefined : cited.get(createId),
    isRejected: () => false,
    isSignedBy: (server) => requiredSignatures(event).has(server),
  })
  if (authorised.outcome !== 'accept') return false
  const before = (type: string, stateKey: string) => then.get(stateMapKey(type, stateKey))
  const current = (type: string, stateKey: string) => now.get(stateMapKey(type, stateKey))
  return checkState(event, before, now === then ? before : current).outcome === 'accept'
}
