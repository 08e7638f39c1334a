/** Other servers read rooms' state and what authorises it (server-server API, "Retrieving events"). */
import { createEventIdOf, type EventId, type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { notFound } from '#core/matrix-error.ts'
import { notInRoom, roomForServer, type ServerRoom } from '#services/federation/reads/server-room.ts'
import { ServerVisibility } from '#services/federation/reads/server-visibility.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'

/** Events that are read at once. */
const READ_EVENTS_MAX = 500

export type StateAtEvent<Item> = { readonly state: readonly Item[]; readonly authChain: readonly Item[] }

export class StateReads {
  readonly #store: Store

  constructor({ store }: { readonly store: Store }) {
    this.#store = store
  }

  /** The state before an event (`/state/{roomId}`). @throws M_NOT_FOUND for the event, M_FORBIDDEN */
  state(server: ServerName, roomId: RoomId, eventId: EventId): Promise<StateAtEvent<JsonObject>> {
    return this.#store.read(async (tx) => {
      const asked = await askedEvent(tx, server, roomId, eventId)
      const state = await stateBefore(tx, asked)
      const shown = await viewOf(tx, asked)
      return { state: await shown(state), authChain: await shown(await authChain(tx, asked, state)) }
    })
  }

  /** The same as ids (`/state_ids/{roomId}`). @throws M_NOT_FOUND for the event, M_FORBIDDEN */
  stateIds(server: ServerName, roomId: RoomId, eventId: EventId): Promise<StateAtEvent<EventId>> {
    return this.#store.read(async (tx) => {
      const asked = await askedEvent(tx, server, roomId, eventId)
      const state = await stateBefore(tx, asked)
      const chain = await authChain(tx, asked, state)
      const ids = await tx.state.eventIds([...new Set([...state, ...chain])])
      const idsOf = (nids: readonly EventNid[]) => nids.flatMap((nid) => ids.get(nid) ?? [])
      return { state: idsOf(state), authChain: idsOf(chain) }
    })
  }

  /**
   * What authorises an event, and that in turn, without the event (`/event_auth/{roomId}/{eventId}`). A server also gets
   * it for what others do to its users: one who was never in the room may be uninvited.
   */
  eventAuth(server: ServerName, roomId: RoomId, eventId: EventId): Promise<JsonObject[]> {
    return this.#store.read(async (tx) => {
      const asked = await askedEvent(tx, server, roomId, eventId, 'or about its user')
      const shown = await viewOf(tx, asked)
      return shown(await authChain(tx, asked, [asked.row.nid]))
    })
  }
}

type Asked = {
  readonly row: EventRow
  readonly room: ServerRoom
  readonly eyes: ServerVisibility
  readonly wasIn: boolean
}

/**
 * The event whose state a server asks for: it must have been in the room then, or be in it now; or the event is the
 * membership of one of its users, where that is enough.
 */
async function askedEvent(
  tx: ReadTx,
  server: ServerName,
  roomId: RoomId,
  eventId: EventId,
  enough?: 'or about its user',
): Promise<Asked> {
  const room = await roomForServer(tx, roomId, server)
  const eyes = new ServerVisibility(tx, room)
  const row = await tx.events.byId(eventId)
  const isHere = row !== null && row.roomNid === room.room.nid && !row.rejected
  const wasIn = isHere && (await eyes.wasIn(row))
  const isOfItsUser = isHere && row.event.type === 'm.room.member' && serverOf(row.event.stateKey as UserId) === server
  if (!room.isIn && !wasIn && !(enough !== undefined && isOfItsUser)) throw notInRoom()
  if (!isHere) throw notFound(`Could not find event ${eventId}`)
  return { row, room, eyes, wasIn }
}

type View = (nids: readonly EventNid[]) => Promise<JsonObject[]>

/**
 * How events are shown. Who was in the room at the event had its state then, and all that led to it. One that came
 * later gets what it sees by itself and what is state now, and redacted copies of the rest.
 */
async function viewOf(tx: ReadTx, { room, eyes, wasIn }: Asked): Promise<View> {
  const now = wasIn ? [] : (await tx.state.current(room.room.nid)).map(({ eventNid }) => eventNid)
  const current = new Set(now)
  return async (nids) => {
    const pdus: JsonObject[] = []
    for await (const row of readEvents(tx, nids)) {
      pdus.push(wasIn || current.has(row.nid) ? row.event.json : await eyes.pdu(row))
    }
    return pdus
  }
}

async function* readEvents(tx: ReadTx, nids: readonly EventNid[]): AsyncGenerator<EventRow> {
  const timeSlice = new TimeSlice()
  for (let at = 0; at < nids.length; at += READ_EVENTS_MAX) {
    await timeSlice.yieldIfDue()
    yield* (await tx.events.byNids(nids.slice(at, at + READ_EVENTS_MAX))).values()
  }
}

async function stateBefore(tx: ReadTx, { row, room }: Asked): Promise<EventNid[]> {
  // Half a state would be taken for the whole.
  if (row.rank === null || room.room.partial !== null) throw notFound(`The state at ${row.event.eventId} is not known`)
  return (await tx.state.entries(row.stateBefore)).map(({ eventNid }) => eventNid)
}

/** All that the events cite as their authorisation, and that in turn; an event stands in it only if another cites it. */
async function authChain(tx: ReadTx, { row }: Asked, nids: readonly EventNid[]): Promise<EventNid[]> {
  const chain = new Set<EventNid>(await impliedCreate(tx, row))
  const timeSlice = new TimeSlice()
  let edges: readonly EventNid[] = nids
  while (edges.length > 0) {
    const cited = new Set<EventNid>()
    for (let at = 0; at < edges.length; at += READ_EVENTS_MAX) {
      await timeSlice.yieldIfDue()
      const found = await tx.events.authOf(edges.slice(at, at + READ_EVENTS_MAX))
      for (const { auth } of found.values()) for (const nid of auth) cited.add(nid)
    }
    edges = [...cited.difference(chain)]
    for (const nid of edges) chain.add(nid)
  }
  return [...chain]
}

/** From version 12 on every event is authorised by the create event without naming it. */
async function impliedCreate(tx: ReadTx, { event }: EventRow): Promise<EventNid[]> {
  if (!event.rules.roomIdIsCreateHash || event.type === 'm.room.create') return []
  const create = await tx.events.byId(createEventIdOf(event.roomId))
  return create === null ? [] : [create.nid]
}
