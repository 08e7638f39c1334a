import { type Event, stateMapKey } from '#core/event/event.ts'
import { requiredSignatures } from '#core/event/sign.ts'
import { createEventIdOf, type EventId, type RoomId, type ServerName } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import type { PduReader } from '#services/federation/inbound/pdu-reader.ts'
import type { KeptOutlier, OutlierEvents } from '#services/rooms/outlier-events.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { checkState } from '#services/rooms/pipeline/check-state.ts'
import { filledUp } from '#services/rooms/pipeline/received-state.ts'
import type { ReceivedEvents } from '#services/rooms/received-events.ts'
import type { RoomQueues } from '#services/rooms/room-queues.ts'
import type { Store } from '#store/store.ts'
import type { RoomNid, RoomRow } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/** What a resident server's answer to `send_join` says. */
export type ToldRoom = {
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
  /** Who says it. */
  readonly via: ServerName
  /** The finished join, signed by all who must. */
  readonly join: Event
  /** The state before the join, and all that authorises it and the join; in JSON as it came. */
  readonly state: readonly JsonObject[]
  readonly authChain: readonly JsonObject[]
  /** Where members were left out: the servers in the room. */
  readonly partial: { readonly servers: readonly ServerName[] } | null
}

type Deps = {
  readonly store: Store
  readonly queues: RoomQueues
  readonly reader: PduReader
  readonly outliers: OutlierEvents
  readonly received: ReceivedEvents
}

/** Makes a room out of what a resident server says, or brings a room that all had left up to date. */
export class RoomImport {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Takes over a room with the join of a local user. Each event passes the checks of any event from elsewhere; what
   * doesn't is left out.
   *
   * @throws M_UNKNOWN (502) where what is left is no room that the join could be part of
   */
  async take(told: ToldRoom): Promise<void> {
    const { reader, queues } = this.#deps
    const { roomId, rules, via, join } = told
    if (join.roomId !== roomId) throw unusable('The join is of another room')
    const events = await reader.events([...told.authChain, ...told.state], rules, via, roomId)
    checkCreate(events, told)
    const stateIds = new Set(reader.idsOf(told.state, rules))
    const room = await this.#room(told)
    const kept = await this.#deps.outliers.keep(room.nid, [...events.values()])
    const state = new Map<string, KeptOutlier>()
    for (const [eventId, outlier] of kept) {
      const { event, outcome } = outlier
      if (!stateIds.has(eventId) || outcome !== 'accept' || event.stateKey === null) continue
      state.set(stateMapKey(event.type, event.stateKey), outlier)
    }
    checkJoin(join, state, kept)
    const isJoined = await queues.inTurn(roomId, () => this.#join(room.nid, told, state))
    if (isJoined) return
    // This server came into the room meanwhile: then the join is one event among others.
    const before = await this.#build(room.nid, state)
    await this.#deps.received.accept(roomId, [{ event: join, stateBefore: before }])
  }

  /** The room's row, made if there is none. */
  #room({ roomId, rules }: ToldRoom): Promise<RoomRow> {
    return this.#deps.store.write(async (tx) => {
      const before = await tx.rooms.byId(roomId)
      if (before === null) await tx.rooms.create(roomId, rules.version)
      else if (before.version !== rules.version) await tx.rooms.setVersion(before.nid, rules.version)
      const room = await tx.rooms.byId(roomId)
      if (room === null) throw new Error(`No room ${roomId}`)
      return room
    })
  }

  /** False where this server is in the room already. */
  #join(room: RoomNid, { join, partial }: ToldRoom, state: ReadonlyMap<string, KeptOutlier>): Promise<boolean> {
    return this.#deps.store.write(async (tx) => {
      if ((await tx.rooms.byNid(room))?.isResident === true) return false
      const before = await tx.state.build(room, stateEntries(state))
      // Where all had left, what the room was then says nothing about now.
      const expectedHeadSeq = await tx.rooms.replaceExtremities(room, [])
      await tx.events.append({
        roomNid: room,
        expectedHeadSeq,
        events: [{ event: join, verdict: 'accepted', stateBefore: before }],
      })
      await tx.rooms.setPartial(room, partial === null ? null : { joinEvent: join.eventId, servers: partial.servers })
      return true
    })
  }

  #build(room: RoomNid, state: ReadonlyMap<string, KeptOutlier>): Promise<StateId> {
    return this.#deps.store.write((tx) => tx.state.build(room, stateEntries(state)))
  }
}

function stateEntries(state: ReadonlyMap<string, KeptOutlier>) {
  return [...state.values()].map(({ event, nid }) => ({ type: event.type, stateKey: event.stateKey ?? '', event: nid }))
}

function checkJoin(
  join: Event,
  state: ReadonlyMap<string, KeptOutlier>,
  kept: ReadonlyMap<EventId, KeptOutlier>,
): void {
  const authEvents = join.authEvents.map((eventId) => kept.get(eventId))
  if (authEvents.some((outlier) => outlier?.outcome !== 'accept')) {
    throw unusable('What authorises the join is missing, or not as the rules want it')
  }
  const cited = authEvents.flatMap((outlier) => (outlier === undefined ? [] : [outlier.event]))
  const lookup = (type: string, stateKey: string) => state.get(stateMapKey(type, stateKey))?.event
  const whole = filledUp(lookup, cited)
  let verdict = checkAuthEvents(join, {
    authEvents: cited,
    create: lookup('m.room.create', ''),
    isRejected: () => false,
    isSignedBy: (server) => requiredSignatures(join).has(server),
  })
  if (verdict.outcome === 'accept') verdict = checkState(join, whole, whole)
  if (verdict.outcome === 'reject') {
    throw unusable(`The room does not allow the join: rule ${verdict.rule}, ${verdict.reason}`)
  }
}

/** The create event must be there, and of the version that the join was made for. */
function checkCreate(events: ReadonlyMap<EventId, Event>, { roomId, rules }: ToldRoom): void {
  const creates = [...events.values()].filter(({ type, stateKey }) => type === 'm.room.create' && stateKey === '')
  const create = rules.roomIdIsCreateHash ? events.get(createEventIdOf(roomId)) : creates[0]
  if (create === undefined || creates.length > 1) throw unusable('The room has no create event, or several')
  const version = member(create.content, 'room_version') ?? '1'
  if (ROOM_VERSIONS.get(version as string) !== rules) throw unusable('The room is of another version than was said')
}

function unusable(reason: string): MatrixError {
  return new MatrixError('M_UNKNOWN', `The other server's answer can't be used: ${reason}`, { status: 502 })
}
