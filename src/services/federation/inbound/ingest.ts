import type { Event } from '#core/event/event.ts'
import { type EventId, isRoomId, type RoomId, type ServerName, serverOf } from '#core/ids.ts'
import { jsonText } from '#core/json/text.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { AuthChains } from '#services/federation/inbound/auth-chains.ts'
import type { Fetcher } from '#services/federation/inbound/fetcher.ts'
import { Gatherer } from '#services/federation/inbound/gatherer.ts'
import { type Backfilled, HistoryImport } from '#services/federation/inbound/history-import.ts'
import { type InboundCounters, newInboundCounters } from '#services/federation/inbound/inbound-counters.ts'
import { inboundRoom } from '#services/federation/inbound/inbound-room.ts'
import { KeyWaits } from '#services/federation/inbound/key-waits.ts'
import { LeftOutEvents } from '#services/federation/inbound/left-out-events.ts'
import { type EventSignatures, PduReader } from '#services/federation/inbound/pdu-reader.ts'
import { RemoteStates } from '#services/federation/inbound/remote-states.ts'
import { type RetryDelays, STAGED_PER_ORIGIN_MAX, StagedPdus } from '#services/federation/inbound/staged-pdus.ts'
import { isAllowedByAcl } from '#services/federation/server-acl.ts'
import type { BackOff } from '#services/federation/transport/back-off.ts'
import { OutlierEvents } from '#services/rooms/pipeline/outlier-events.ts'
import { type Judgement, ReceivedEvents } from '#services/rooms/pipeline/received-events.ts'
import { ForwardExtremityMerger } from '#services/rooms/queue/forward-extremity-merger.ts'
import type { RoomQueues } from '#services/rooms/queue/room-queues.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'
import type { StagedPdu } from '#store/types/inbound.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** Servers that are asked for what an event lacks, the one that sent it first. */
const SOURCES_MAX = 4

export type IngestDeps = {
  readonly store: Store
  readonly queues: RoomQueues
  readonly fetcher: Fetcher
  readonly backOff: Pick<BackOff, 'reachableFirst'>
  readonly signatures: EventSignatures
  readonly serverName: ServerName
  readonly clock: () => number
  readonly timers: Timers
  readonly retry: RetryDelays
  readonly onError: (error: unknown) => void
  /**
   * Told of checked member events of rooms that this server isn't in: an invite that is taken back. True where it
   * concerned somebody here.
   */
  readonly onOutOfBandEvent?: (event: Event) => Promise<boolean>
  /** Told of a room whose guest access has been changed. */
  readonly onGuestAccess?: (roomId: RoomId) => Promise<void>
}

/** Questions to other servers about what authorises one event of a room that this server isn't in. */
const PROOF_REQUESTS_MAX = 5

/** "pdu_processing_results": what is said of one PDU of a transaction. */
export type PduAnswer = { readonly error?: string }

/** An event that one of the endpoints takes by itself, and what became of it. */
export type Admitted = { readonly event: Event; readonly judgement: Judgement }

/**
 * The way in for every event that another server made. Whatever way an event comes, it passes the same checks; nothing
 * else writes events from elsewhere.
 */
export class Ingest {
  readonly counters: InboundCounters = newInboundCounters()
  readonly reader: PduReader
  readonly received: ReceivedEvents
  readonly outliers: OutlierEvents
  /** States as others tell them. */
  readonly states: RemoteStates
  /** What states had to be built without. */
  readonly leftOut: LeftOutEvents
  readonly #deps: IngestDeps
  readonly #authChains: AuthChains
  readonly #gatherer: Gatherer
  readonly #forks: ForwardExtremityMerger
  readonly #history: HistoryImport
  readonly #staged: StagedPdus

  constructor(deps: IngestDeps) {
    this.#deps = deps
    const { store, queues, fetcher } = deps
    this.reader = new PduReader(deps.signatures)
    const onUnrejected = () => {
      this.counters.unrejected += 1
    }
    this.received = new ReceivedEvents(store, queues, onUnrejected, async (roomId) =>
      deps.onGuestAccess?.(roomId).catch(deps.onError),
    )
    this.outliers = new OutlierEvents(store, onUnrejected)
    const { reader, received, outliers, counters } = this
    const authChains = new AuthChains({ store, fetcher, reader, outliers })
    this.#authChains = authChains
    this.leftOut = new LeftOutEvents({ ...deps, reader, outliers, onTaken: (roomId) => this.arrived(roomId) })
    const keyWaits = new KeyWaits(deps.clock)
    this.states = new RemoteStates({ store, fetcher, reader, authChains, leftOut: this.leftOut, keyWaits, counters })
    const { states } = this
    this.#gatherer = new Gatherer({ store, fetcher, reader, received, authChains, states, counters })
    this.#history = new HistoryImport({ store, reader, gatherer: this.#gatherer, states, counters })
    this.#forks = new ForwardExtremityMerger(store, queues, deps.serverName)
    this.#staged = new StagedPdus({ ...deps, judge: (pdu, staged, mayAsk) => this.#judgeStaged(pdu, staged, mayAsk) })
  }

  /**
   * Takes the PDUs of a transaction. Each is judged, or on disk to be judged when what it lacks has been fetched, when
   * this resolves; none holds up or spoils another. The answers are by event id; PDUs without one have none.
   */
  async receive(origin: ServerName, pdus: readonly JsonObject[]): Promise<Map<EventId, PduAnswer>> {
    const byRoom = new Map<RoomId, JsonObject[]>()
    for (const pdu of pdus) {
      const roomId = member(pdu, 'room_id')
      if (typeof roomId !== 'string' || !isRoomId(roomId)) continue
      const ofRoom = byRoom.get(roomId)
      if (ofRoom === undefined) byRoom.set(roomId, [pdu])
      else ofRoom.push(pdu)
    }
    const answers = new Map<EventId, PduAnswer>()
    await Promise.all([...byRoom].map(([roomId, ofRoom]) => this.#receiveInRoom(origin, roomId, ofRoom, answers)))
    return answers
  }

  /**
   * Takes one event that has come by itself for a room that is here, asking the server that it came from for what it
   * lacks. null where it is no event of that room, or not signed as it must be. Access control lists are for the caller
   * to look at.
   */
  async admit(from: ServerName, room: RoomRow, pdu: JsonObject): Promise<Admitted | null> {
    const here = inboundRoom(room)
    if (here === null) return null
    const event = [...(await this.reader.events([pdu], here.rules, from, room.roomId)).values()][0]
    if (event === undefined) return null
    let judgement = (await this.received.accept(room.roomId, [{ event }])).get(event.eventId)!
    if (judgement.outcome === 'missing') {
      judgement = await this.#gatherer.settle(here, event, await this.sources(room, from))
    }
    await this.#judged(room.roomId, [judgement])
    return { event, judgement }
  }

  /** Puts history into the gaps of a room's timeline: see `HistoryImport.backfilled`. */
  async backfilled(
    roomId: RoomId,
    via: ServerName,
    pdus: readonly JsonObject[],
    throughDropped = false,
  ): Promise<Backfilled> {
    const done = await this.#history.backfilled(roomId, via, pdus, throughDropped)
    if (done.placed > 0) this.#staged.arrived(roomId)
    return done
  }

  /** Goes on with what an earlier run left. */
  async resume(): Promise<void> {
    await this.#staged.resume()
    await this.leftOut.resume()
  }

  /** A room's state or history has grown by another way: what waited for that is judged again. */
  arrived(roomId: RoomId): void {
    this.#staged.arrived(roomId)
  }

  async idle(): Promise<void> {
    await this.leftOut.idle()
    await this.#staged.idle()
  }

  async close(): Promise<void> {
    await this.leftOut.close()
    await this.#staged.close()
  }

  /** Servers that may have what a room lacks, `first` first. */
  async sources(room: Pick<RoomRow, 'nid'>, first: ServerName): Promise<ServerName[]> {
    const servers = await this.#deps.store.read((tx) => tx.rooms.serversIn(room.nid))
    const others = [...servers]
      .filter(([server, count]) => count > 0 && server !== this.#deps.serverName && server !== first)
      .sort((a, b) => b[1] - a[1])
      .map(([server]) => server)
    return [first, ...this.#deps.backOff.reachableFirst(others)].slice(0, SOURCES_MAX)
  }

  async #receiveInRoom(
    origin: ServerName,
    roomId: RoomId,
    pdus: readonly JsonObject[],
    answers: Map<EventId, PduAnswer>,
  ): Promise<void> {
    const room = await this.#deps.store.read((tx) => tx.rooms.byId(roomId))
    const here = room === null ? null : inboundRoom(room)
    if (room === null || here === null) return
    const originals = new Map<EventId, JsonObject>()
    const events: Event[] = []
    for (const [index, read] of (await this.reader.read(pdus, here.rules, origin)).entries()) {
      const eventId = read.ok ? read.event.eventId : read.eventId
      const refusal = read.ok ? await this.#refusal(origin, room, read.event) : read.reason
      if (refusal !== null && eventId !== null) answers.set(eventId, { error: refusal })
      if (!read.ok || refusal !== null) {
        this.counters.dropped += 1
        continue
      }
      events.push(read.event)
      originals.set(read.event.eventId, pdus[index]!)
    }
    if (!room.isResident) await this.#receiveOutOfBand(events, answers)
    else await this.#judgeAll(origin, roomId, events, originals, answers)
  }

  /** Why an event is refused before it is judged; null for nothing. */
  async #refusal(origin: ServerName, room: RoomRow, event: Event): Promise<string | null> {
    if (event.roomId !== room.roomId) return 'The event is of another room'
    const isAllowed = await this.#deps.store.read(
      async (tx) =>
        (await isAllowedByAcl(tx, room.nid, origin)) && (await isAllowedByAcl(tx, room.nid, serverOf(event.sender))),
    )
    return isAllowed ? null : 'The server is not allowed in the room'
  }

  /**
   * Whether a checked event of a room that this server isn't in is authorised by the events that it cites, which other
   * servers are asked for. The room may have moved on since those: only who is in it knows.
   */
  async isAuthorised(room: RoomRow, event: Event, sources: readonly ServerName[]): Promise<boolean> {
    const here = inboundRoom(room)
    if (here === null) return false
    const budget = { authRequests: PROOF_REQUESTS_MAX }
    for (const source of sources) {
      await this.#authChains.get(here, event, event.authEvents, source, budget)
      const outcome = (await this.outliers.keep(room.nid, [event])).get(event.eventId)?.outcome
      if (outcome !== 'missing') return outcome === 'accept'
    }
    return false
  }

  async #receiveOutOfBand(events: readonly Event[], answers: Map<EventId, PduAnswer>): Promise<void> {
    for (const event of events) {
      const isTaken = event.type === 'm.room.member' && (await this.#deps.onOutOfBandEvent?.(event))
      answers.set(event.eventId, isTaken === true ? {} : { error: 'This server is not in the room' })
    }
  }

  async #judgeAll(
    origin: ServerName,
    roomId: RoomId,
    events: readonly Event[],
    originals: ReadonlyMap<EventId, JsonObject>,
    answers: Map<EventId, PduAnswer>,
  ): Promise<void> {
    if (events.length === 0) return
    const judgements = await this.received.accept(
      roomId,
      events.map((event) => ({ event })),
    )
    const lacking: EventId[] = []
    for (const [eventId, judgement] of judgements) {
      if (judgement.outcome === 'missing') lacking.push(eventId)
      answers.set(eventId, answerTo(judgement))
    }
    if (lacking.length > 0) await this.#stage(origin, roomId, lacking, originals, answers)
    await this.#judged(roomId, [...judgements.values()])
  }

  async #stage(
    origin: ServerName,
    roomId: RoomId,
    eventIds: readonly EventId[],
    originals: ReadonlyMap<EventId, JsonObject>,
    answers: Map<EventId, PduAnswer>,
  ): Promise<void> {
    const { store } = this.#deps
    const isStaged = await store.write(async (tx) => {
      if ((await tx.inbound.stagedCount(origin)) + eventIds.length > STAGED_PER_ORIGIN_MAX) return false
      await tx.inbound.stage(
        roomId,
        origin,
        eventIds.map((eventId) => jsonText(originals.get(eventId))),
      )
      return true
    })
    if (isStaged) this.#staged.added(roomId, origin)
    else for (const eventId of eventIds) answers.set(eventId, { error: 'Too many events wait for others' })
  }

  async #judgeStaged(pdu: JsonObject, { roomId, origin }: StagedPdu, mayAsk: boolean): Promise<boolean> {
    const room = await this.#deps.store.read((tx) => tx.rooms.byId(roomId))
    const here = room === null ? null : inboundRoom(room)
    // All have left meanwhile.
    if (room === null || here === null || !room.isResident) return true
    const [read] = await this.reader.read([pdu], here.rules, origin)
    // It was verified when it came: only the key is out of reach now.
    if (read?.ok !== true) return read?.unverified === undefined
    const { event } = read
    let judgement = (await this.received.accept(roomId, [{ event }])).get(event.eventId)!
    if (judgement.outcome === 'missing' && mayAsk) {
      judgement = await this.#gatherer.settle(here, event, await this.sources(room, origin))
    }
    await this.#judged(roomId, [judgement])
    return judgement.outcome !== 'missing'
  }

  async #judged(roomId: RoomId, judgements: readonly Judgement[]): Promise<void> {
    const { counters } = this
    for (const { outcome } of judgements) {
      if (outcome === 'accept') counters.accepted += 1
      else if (outcome === 'soft-fail') counters.softFailed += 1
      else if (outcome === 'reject') counters.rejected += 1
      else if (outcome === 'drop') counters.dropped += 1
    }
    if (!judgements.some(({ outcome }) => outcome === 'accept' || outcome === 'soft-fail')) return
    this.#staged.arrived(roomId)
    await this.#forks.join(roomId)
  }
}

/** "error: A human readable description about what went wrong in processing this PDU. If no error is present, the PDU can be considered successfully handled." */
function answerTo(judgement: Judgement): PduAnswer {
  switch (judgement.outcome) {
    case 'reject':
    case 'drop':
      return { error: `Rule ${judgement.rule}: ${judgement.reason}` }
    default:
      return {}
  }
}
