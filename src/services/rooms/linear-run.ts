/** Events from elsewhere that follow each other on top of the room: the common case, judged and written together. */
import { authEventKeys } from '#core/event/auth-events.ts'
import { type Event, type StateKey, stateMapKey } from '#core/event/event.ts'
import { requiredSignatures } from '#core/event/sign.ts'
import { createEventIdOf, type EventId, type RoomId } from '#core/ids.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { checkState } from '#services/rooms/pipeline/check-state.ts'
import type { ReadTx, Store } from '#store/store.ts'
import { StaleHeadError } from '#store/types/events.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** As many as a transaction may hold. */
const RUN_EVENTS_MAX = 50

/** A run that may be written on the head that it was judged on. */
type Run = { readonly room: RoomRow; readonly accepted: readonly Event[] }

/**
 * Accepts the first of these events as far as each cites exactly what the room's next event would cite, and nothing
 * about it is special: then the state before it is the room's current state, which needs no resolution, and one write
 * does for all. What isn't accepted here has not been refused: it is to be judged by itself.
 *
 * @returns how many of the events were accepted and written
 */
export async function acceptLinearRun(store: Store, roomId: RoomId, events: readonly Event[]): Promise<number> {
  const run = await store.read((tx) => judge(tx, roomId, events.slice(0, RUN_EVENTS_MAX)))
  if (run === null || run.accepted.length === 0) return 0
  const { room, accepted } = run
  try {
    await store.append({
      roomNid: room.nid,
      expectedHeadSeq: room.headSeq,
      events: accepted.map((event) => ({ event, verdict: 'accepted', stateBefore: 'previous' })),
    })
  } catch (error) {
    // Another process has written to the room.
    if (error instanceof StaleHeadError) return 0
    throw error
  }
  return accepted.length
}

async function judge(tx: ReadTx, roomId: RoomId, events: readonly Event[]): Promise<Run | null> {
  const room = await tx.rooms.byId(roomId)
  if (room === null || room.partial !== null) return null
  const extremities = await tx.rooms.extremities(room.nid)
  if (extremities.some(({ stateAfter }) => stateAfter !== room.stateId)) return null
  const chain = chainOn(new Set(extremities.map(({ eventId }) => eventId)), events)
  const fresh = await withoutSpecial(tx, chain)
  if (fresh.length === 0) return null
  const cited = await readCited(tx, fresh)
  const state = await readState(tx, room, fresh)
  const accepted: Event[] = []
  for (const event of fresh) {
    if (!isAccepted(event, cited, state)) break
    accepted.push(event)
    cited.set(event.eventId, event)
    if (event.stateKey !== null) state.set(stateMapKey(event.type, event.stateKey), event)
  }
  return { room, accepted }
}

/** The events as far as each of them cites the one before, and the first what nothing else cites. */
function chainOn(tips: ReadonlySet<EventId>, events: readonly Event[]): Event[] {
  const chain: Event[] = []
  for (const event of events) {
    const cited = new Set(event.prevEvents)
    if (cited.size === 0 || cited.symmetricDifference(tips).size > 0) break
    chain.push(event)
    tips = new Set([event.eventId])
  }
  return chain
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

/** What of the room's current state the authorisation rules may ask for about the events. */
async function readState(tx: ReadTx, room: RoomRow, events: readonly Event[]): Promise<Map<string, Event>> {
  const keys = new Map<string, StateKey>()
  const always: StateKey[] = [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
  ]
  for (const key of [...always, ...events.flatMap((event) => authEventKeys(event, event.rules))]) {
    keys.set(stateMapKey(...key), key)
  }
  const nids = await tx.state.getMany(room.stateId, [...keys.values()])
  const rows = await tx.events.byNids(nids.filter((nid) => nid !== null))
  const state = new Map<string, Event>()
  for (const [index, name] of [...keys.keys()].entries()) {
    const nid = nids[index] ?? null
    const row = nid === null ? undefined : rows.get(nid)
    if (row !== undefined) state.set(name, row.event)
  }
  return state
}

/** On top of the room the state before the event and the current one are the same. */
function isAccepted(event: Event, cited: ReadonlyMap<EventId, Event>, state: ReadonlyMap<string, Event>): boolean {
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
  const lookup = (type: string, stateKey: string) => state.get(stateMapKey(type, stateKey))
  return checkState(event, lookup, lookup).outcome === 'accept'
}
