/** Other servers read rooms' state and what authorises it (server-server API, "Retrieving events"). */
import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { notFound } from '#core/matrix-error.ts'
import { authEdges } from '#core/state/event-source.ts'
import { ServerEyes } from '#services/federation/reads/server-eyes.ts'
import { notInRoom, roomForServer, type ServerRoom } from '#services/federation/reads/server-room.ts'
import { Pacer } from '#services/pacer.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'

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
      return { state: await shown(state), authChain: await shown(await authChain(tx, state)) }
    })
  }

  /** The same as ids (`/state_ids/{roomId}`). @throws M_NOT_FOUND for the event, M_FORBIDDEN */
  stateIds(server: ServerName, roomId: RoomId, eventId: EventId): Promise<StateAtEvent<EventId>> {
    return this.#store.read(async (tx) => {
      const state = await stateBefore(tx, await askedEvent(tx, server, roomId, eventId))
      return { state: state.map(idOf), authChain: (await authChain(tx, state)).map(idOf) }
    })
  }

  /** What authorises an event, and that in turn, without the event (`/event_auth/{roomId}/{eventId}`). */
  eventAuth(server: ServerName, roomId: RoomId, eventId: EventId): Promise<JsonObject[]> {
    return this.#store.read(async (tx) => {
      const asked = await askedEvent(tx, server, roomId, eventId)
      const shown = await viewOf(tx, asked)
      return shown(await authChain(tx, [asked.row]))
    })
  }
}

type Asked = { readonly row: EventRow; readonly room: ServerRoom; readonly eyes: ServerEyes; readonly wasIn: boolean }

/** The event whose state a server asks for: it must have been in the room then, or be in it now. */
async function askedEvent(tx: ReadTx, server: ServerName, roomId: RoomId, eventId: EventId): Promise<Asked> {
  const room = await roomForServer(tx, roomId, server)
  const eyes = new ServerEyes(tx, room)
  const row = await tx.events.byId(eventId)
  const isHere = row !== null && row.roomNid === room.room.nid && !row.rejected
  const wasIn = isHere && (await eyes.wasIn(row))
  if (!room.isIn && !wasIn) throw notInRoom()
  if (!isHere) throw notFound(`Could not find event ${eventId}`)
  return { row, room, eyes, wasIn }
}

/**
 * How the events are shown. Who was in the room at the event had its state then, and all that led to it. One that came
 * later gets what it sees by itself and what is state now, and redacted copies of the rest.
 */
async function viewOf(tx: ReadTx, { room, eyes, wasIn }: Asked): Promise<(rows: EventRow[]) => Promise<JsonObject[]>> {
  if (wasIn) return async (rows) => rows.map(({ event }) => event.json)
  const current = new Set((await tx.state.current(room.room.nid)).map(({ eventNid }) => eventNid))
  return async (rows) => {
    const pdus: JsonObject[] = []
    for (const row of rows) pdus.push(current.has(row.nid) ? row.event.json : await eyes.pdu(row))
    return pdus
  }
}

async function stateBefore(tx: ReadTx, { row, room }: Asked): Promise<EventRow[]> {
  // Half a state would be taken for the whole.
  if (row.rank === null || room.room.partial !== null) throw notFound(`The state at ${row.event.eventId} is not known`)
  const nids = (await tx.state.entries(row.stateBefore)).map(({ eventNid }) => eventNid)
  const rows: EventRow[] = []
  const pacer = new Pacer()
  for (let at = 0; at < nids.length; at += READ_EVENTS_MAX) {
    await pacer.breathe()
    rows.push(...(await tx.events.byNids(nids.slice(at, at + READ_EVENTS_MAX))).values())
  }
  return rows
}

/** All that the events cite as their authorisation, and that in turn; an event stands in it only if another cites it. */
async function authChain(tx: ReadTx, rows: readonly EventRow[]): Promise<EventRow[]> {
  const chain = new Map<EventId, EventRow>()
  const pacer = new Pacer()
  const asked = new Set<EventId>()
  let edges = rows.flatMap(({ event }) => authEdges(event))
  while (edges.length > 0) {
    const fresh = [...new Set(edges)].filter((eventId) => !asked.has(eventId))
    edges = []
    for (let at = 0; at < fresh.length; at += READ_EVENTS_MAX) {
      await pacer.breathe()
      const some = fresh.slice(at, at + READ_EVENTS_MAX)
      for (const eventId of some) asked.add(eventId)
      for (const row of await tx.events.byIds(some)) {
        chain.set(row.event.eventId, row)
        edges.push(...authEdges(row.event))
      }
    }
  }
  return [...chain.values()]
}

const idOf = ({ event }: EventRow): EventId => event.eventId
