/** A room that this server joins: all that the resident server gave with the join is checked, then written at once. */
import { type Event, type StateKey, stateMapKey } from '#core/event/event.ts'
import { requiredSignatures } from '#core/event/sign.ts'
import { createEventIdOf, type EventId, type ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { member } from '#core/json/value.ts'
import type { Ingest } from '#services/federation/inbound/ingest.ts'
import type { UnverifiedEvent } from '#services/federation/inbound/pdu-reader.ts'
import type { AdmitEvent } from '#services/federation/membership/admit-event.ts'
import type { Handshake } from '#services/federation/membership/handshakes.ts'
import { outOfBandRoom } from '#services/federation/membership/out-of-band-memberships.ts'
import { MalformedAnswerError } from '#services/federation/membership/own-member-event.ts'
import { readSendJoinReply, type SendJoinReply } from '#services/federation/membership/send-join-reply.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { checkState } from '#services/rooms/pipeline/check-state.ts'
import type { KeptOutlier } from '#services/rooms/pipeline/outlier-events.ts'
import { filledUp } from '#services/rooms/pipeline/received-state.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { EventNid } from '#store/types/events.ts'
import type { PartialState, RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/** Earlier membership periods whose state is completed too, at most. */
const EARLIER_JOINS_MAX = 10

type Deps = {
  readonly context: RoomContext
  readonly ingest: Pick<Ingest, 'reader' | 'outliers' | 'leftOut' | 'arrived'>
  readonly take: AdmitEvent
  /** Told of a room whose state is still to be completed. */
  readonly onPartial: (room: Event['roomId']) => void
}

type Entry = { readonly type: string; readonly stateKey: string; readonly event: EventNid }
type UsableState = { readonly entries: readonly Entry[]; readonly events: ReadonlyMap<string, Event> }
type CheckedState = UsableState & {
  /** All that the answer names, and what of it and of its auth chain nobody gives keys for. */
  readonly claimed: readonly EventId[]
  readonly unverified: readonly UnverifiedEvent[]
}

export class JoinImport {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Takes a join that a resident server has accepted. Where this server is in the room already, because another server
   * had to let the user in, the join is an event like any other.
   *
   * @throws MalformedAnswerError where the answer is worth nothing
   */
  async take({ server, event, answer }: Handshake): Promise<void> {
    const reply = readSendJoinReply(answer, event)
    const join = await this.#readJoin(reply.join, event, server)
    const { store } = this.#deps.context
    const isResident = async () => (await store.read((tx) => tx.rooms.byId(event.roomId)))?.isResident === true
    if (!(await isResident())) {
      const room = await store.write((tx) => outOfBandRoom(tx, event.roomId, event.rules.version))
      const state = await this.#checkedState(reply, join, room, server)
      const before = await this.#write(room, join, state, reply.serversOfPartial)
      if (before !== null) {
        // A partial state's full one is asked for with all that can't be verified yet.
        if (reply.serversOfPartial === null) {
          const { roomId, rules } = event
          await this.#deps.ingest.leftOut.note(
            { roomId, nid: room, rules },
            before,
            state.claimed,
            state.unverified,
            server,
          )
        }
        this.#deps.ingest.arrived(event.roomId)
        if (reply.serversOfPartial !== null) this.#deps.onPartial(event.roomId)
        return
      }
    }
    await this.#deps.take(join, server)
  }

  async #readJoin(json: JsonObject, { eventId, rules, roomId }: Event, server: ServerName): Promise<Event> {
    const join = (await this.#deps.ingest.reader.events([json], rules, server, roomId)).get(eventId)
    if (join === undefined) throw new MalformedAnswerError('the join is not signed as it must be')
    return join
  }

  /** The state before the join: those of its events that have passed all checks, and let the user join. */
  async #checkedState(reply: SendJoinReply, join: Event, room: RoomNid, server: ServerName): Promise<CheckedState> {
    const { reader, outliers } = this.#deps.ingest
    const { rules, roomId } = join
    const read = await reader.read([...reply.state, ...reply.authChain], rules, server)
    const usable = read.map((pdu) => (pdu.ok && pdu.event.roomId === roomId ? pdu.event : null))
    const kept = await outliers.keep(
      room,
      usable.filter((event) => event !== null),
    )
    const unverified = read.flatMap((pdu) => (pdu.ok ? [] : (pdu.unverified ?? [])))
    const claimed = read
      .slice(0, reply.state.length)
      .flatMap((pdu) => (pdu.ok ? pdu.event.eventId : (pdu.eventId ?? [])))
    const state = { ...(await stateOf(usable.slice(0, reply.state.length), kept)), claimed, unverified }
    checkCreate(state, join)
    checkJoin(join, state, kept, reply.serversOfPartial !== null)
    return state
  }

  /** All or nothing; the state before the join. null where this server has come into the room meanwhile. */
  #write(
    nid: RoomNid,
    join: Event,
    { entries }: CheckedState,
    serversOfPartial: readonly ServerName[] | null,
  ): Promise<StateId | null> {
    const { queues, store } = this.#deps.context
    return queues.inTurn(join.roomId, () =>
      store.write(async (tx) => {
        const room = await tx.rooms.byNid(nid)
        if (room === null || room.isResident) return null
        const stateBefore = await tx.state.build(nid, entries)
        const partial = serversOfPartial && partialState(join, serversOfPartial, room.partial)
        await tx.rooms.setPartial(nid, partial)
        // The room has moved on since an earlier membership period.
        const isStale = (await tx.rooms.extremities(nid)).length > 0
        const expectedHeadSeq = isStale ? await tx.rooms.replaceExtremities(nid, []) : room.headSeq
        const event = { event: join, verdict: 'accepted' as const, stateBefore }
        await tx.events.append({ roomNid: nid, expectedHeadSeq, events: [event] })
        return stateBefore
      }),
    )
  }
}

/** The joins of earlier membership periods whose state was never completed: later events may build on theirs. */
function partialState(
  { eventId }: Event,
  servers: readonly ServerName[],
  unfinished: PartialState | null,
): PartialState {
  const earlier = unfinished === null ? [] : [...(unfinished.earlierJoins ?? []), unfinished.joinEvent]
  return { joinEvent: eventId, servers, earlierJoins: earlier.slice(-EARLIER_JOINS_MAX) }
}

async function stateOf(
  claimed: readonly (Event | null)[],
  kept: ReadonlyMap<EventId, KeptOutlier>,
): Promise<UsableState> {
  const timeSlice = new TimeSlice()
  const entries: Entry[] = []
  const events = new Map<string, Event>()
  for (const event of claimed) {
    await timeSlice.yieldIfDue()
    const outlier = event === null ? undefined : kept.get(event.eventId)
    if (event === null || event.stateKey === null || outlier?.outcome !== 'accept') continue
    const key = stateMapKey(event.type, event.stateKey)
    const other = events.get(key)
    if (other?.eventId === event.eventId) continue
    if (other !== undefined) throw new MalformedAnswerError('the state has two events for one of its parts')
    events.set(key, event)
    entries.push({ type: event.type, stateKey: event.stateKey, event: outlier.nid })
  }
  return { entries, events }
}

/** The create event says of what version the room is; the answers before it only claimed that. */
function checkCreate({ events }: UsableState, { rules, roomId }: Event): void {
  const create = events.get(stateMapKey('m.room.create', ''))
  if (create === undefined) throw new MalformedAnswerError('the state has no valid create event')
  if (rules.roomIdIsCreateHash && create.eventId !== createEventIdOf(roomId)) {
    throw new MalformedAnswerError('the create event is that of another room')
  }
  const version = member(create.content, 'room_version') ?? '1'
  if (version !== rules.version) throw new MalformedAnswerError('the room is of another version than was said')
}

function checkJoin(
  join: Event,
  { events }: UsableState,
  kept: ReadonlyMap<EventId, KeptOutlier>,
  isPartial: boolean,
): void {
  const authEvents = join.authEvents.map((eventId) => {
    const outlier = kept.get(eventId)
    if (outlier === undefined || outlier.outcome === 'missing') {
      throw new MalformedAnswerError('auth_chain lacks what authorises the join')
    }
    return outlier
  })
  const rejected = new Set(authEvents.filter(({ outcome }) => outcome === 'reject').map(({ event }) => event.eventId))
  const createKey: StateKey = ['m.room.create', '']
  const authorised = checkAuthEvents(join, {
    authEvents: authEvents.map(({ event }) => event),
    create: join.rules.roomIdIsCreateHash ? events.get(stateMapKey(...createKey)) : undefined,
    isRejected: (eventId) => rejected.has(eventId),
    isSignedBy: (server) => requiredSignatures(join).has(server),
  })
  if (authorised.outcome === 'reject') throw new MalformedAnswerError(`the join is refused: ${authorised.reason}`)
  const state = (type: string, stateKey: string) => events.get(stateMapKey(type, stateKey))
  const before = isPartial
    ? filledUp(
        state,
        authEvents.map(({ event }) => event),
      )
    : state
  const allowed = checkState(join, before, before)
  if (allowed.outcome === 'reject') throw new MalformedAnswerError(`the join is refused: ${allowed.reason}`)
}
