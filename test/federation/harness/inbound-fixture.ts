/** The inbound side of a server on a store of its own, and another server that answers whatever a test says. */
import { type Event, stateMapKey } from '#core/event/event.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { type Signer, signerFromSeed } from '#core/event/sign.ts'
import type { EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { Fetcher } from '#services/federation/inbound/fetcher.ts'
import { inboundRoom } from '#services/federation/inbound/inbound-room.ts'
import { Ingest } from '#services/federation/inbound/ingest.ts'
import { EventVerifier } from '#services/federation/keys/event-verifier.ts'
import type { FederationReply, FederationRequest } from '#services/federation/transport/federation-client.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { type ManualTime, manualTime } from '#test/harness/manual-time.ts'
import { type RoomFixture, roomFixture, SERVER } from '#test/rooms/room-fixture.ts'

export const HERE = SERVER as ServerName
export const THERE = 'there.test' as ServerName
export const signerOf = (name: string): Signer => signerFromSeed(name, 'a', new Uint8Array(32).fill(name.length))
export const REMY = `@remy:${THERE}` as UserId
export const ALICE = `@alice:${HERE}` as UserId
export const signHere = signerFromSeed(HERE, 'a', new Uint8Array(32).fill(7))

/** What another server answers, by the path's last fixed part: `event`, `state_ids`, …; null fails. */
export type Answers = (what: string, request: FederationRequest) => JsonValue | null | Promise<JsonValue | null>

export type InboundFixture = AsyncDisposable & {
  readonly rooms: RoomFixture
  readonly ingest: Ingest
  readonly time: ManualTime
  /** What was asked of others, in order: `what destination`. */
  readonly asked: string[]
  answers: Answers
  /** Servers whose keys can't be had. */
  readonly unknownKeys: Set<string>
  /** A room of the other server that the local user Alice has joined. */
  joinedRoom(version?: string): Promise<RemoteRoom>
  /** Sends events as the other server does; what is said of each. */
  push(...events: readonly Event[]): Promise<Map<EventId, { readonly error?: string }>>
}

export async function inboundFixture(): Promise<InboundFixture> {
  const rooms = await roomFixture()
  const time = manualTime()
  const asked: string[] = []
  const fixture = { answers: (() => null) as Answers }
  const client = {
    async request(request: FederationRequest): Promise<FederationReply> {
      const what = request.uri.split('/')[4] ?? ''
      asked.push(`${what} ${request.destination}`)
      const json = await fixture.answers(what, request)
      if (json === null) return { outcome: 'unreachable', reason: 'test' }
      return { outcome: 'answered', status: 200, json, bytes: Buffer.of() }
    },
  }
  const unknownKeys = new Set<string>()
  const keyRing = {
    gather: async () => ({
      eventKeys: (server: string) => (keyId: string) => {
        if (keyId !== 'ed25519:a' || unknownKeys.has(server)) return undefined
        return server === HERE ? signHere.publicKey : server.endsWith('.test') ? signerOf(server).publicKey : undefined
      },
    }),
  }
  const errors = rooms.errors
  const ingest = new Ingest({
    store: rooms.store,
    queues: rooms.rooms.context.queues,
    fetcher: new Fetcher(client),
    backOff: { reachableFirst: (servers) => [...servers] },
    signatures: new EventVerifier(keyRing),
    serverName: HERE,
    clock: time.clock,
    timers: time.timers,
    retry: { baseMs: 60_000, maxMs: 3_600_000 },
    onError: (error) => errors.push(error),
  })
  await rooms.user('alice')

  return {
    rooms,
    ingest,
    time,
    asked,
    unknownKeys,
    get answers() {
      return fixture.answers
    },
    set answers(answers) {
      fixture.answers = answers
    },

    async joinedRoom(version = '11') {
      const room = new RemoteRoom(version, REMY, signerOf(THERE))
      const before = [...room.stateEvents]
      const join = room.member(ALICE, 'join', ALICE, signHere)
      await importRoom(rooms, ingest, before, join)
      return room
    },

    push: (...events) =>
      ingest.receive(
        THERE,
        events.map(({ json }) => json),
      ),

    async [Symbol.asyncDispose]() {
      await ingest.close()
      await rooms[Symbol.asyncDispose]()
    },
  }
}

/** What the answer to a join leaves here. */
export async function importRoom(
  { store }: RoomFixture,
  ingest: Ingest,
  state: readonly Event[],
  join: Event,
): Promise<void> {
  const nid = await store.write((tx) => tx.rooms.create(join.roomId, join.rules.version))
  const kept = await ingest.outliers.keep(nid, state)
  await store.write(async (tx) => {
    const entries = state.map(({ eventId, type, stateKey }) => ({
      type,
      stateKey: stateKey ?? '',
      event: kept.get(eventId)!.nid,
    }))
    const stateBefore = await tx.state.build(nid, entries)
    await tx.events.append({
      roomNid: nid,
      expectedHeadSeq: 0,
      events: [{ event: join, verdict: 'accepted', stateBefore }],
    })
  })
}

/** Answers as an honest server that has all of a room, whose events follow each other in one line. */
export function honest(room: RemoteRoom): Answers {
  const before = (eventId: EventId) => {
    const state = new Map<string, Event>()
    for (const event of room.timeline) {
      if (event.eventId === eventId) break
      if (event.stateKey !== null) state.set(stateMapKey(event.type, event.stateKey), event)
    }
    return [...state.values()]
  }
  const ofQuery = ({ uri }: FederationRequest) => new URLSearchParams(uri.split('?')[1]).get('event_id') as EventId
  return (what, request) => {
    if (what === 'event') {
      const event = room.byId(decodeURIComponent(request.uri.split('/')[5] ?? '') as EventId)
      return event === undefined ? null : { pdus: [event.json] }
    }
    if (what === 'event_auth') {
      const event = room.byId(decodeURIComponent(request.uri.split('/')[6] ?? '') as EventId)
      return event === undefined ? null : { auth_chain: room.authChain([event]).map(({ json }) => json) }
    }
    if (what === 'state_ids') {
      const state = before(ofQuery(request))
      return {
        pdu_ids: state.map(({ eventId }) => eventId),
        auth_chain_ids: room.authChain(state).map((e) => e.eventId),
      }
    }
    if (what === 'state') {
      const state = before(ofQuery(request))
      return { pdus: state.map(({ json }) => json), auth_chain: room.authChain(state).map(({ json }) => json) }
    }
    if (what === 'get_missing_events') return { events: missing(room, request.body ?? {}) }
    return null
  }
}

function missing(room: RemoteRoom, body: JsonObject): JsonValue[] {
  const earliest = body['earliest_events'] as unknown as EventId[]
  const latest = body['latest_events'] as unknown as EventId[]
  const found = new Map<EventId, Event>()
  const pending = [...latest]
  for (let id = pending.shift(); id !== undefined && found.size < (body['limit'] as number); id = pending.shift()) {
    const event = room.byId(id)
    if (event === undefined || earliest.includes(id) || found.has(id)) continue
    if (!latest.includes(id)) found.set(id, event)
    pending.push(...event.prevEvents)
  }
  return [...found.values()].reverse().map(({ json }) => json)
}

/** The same event with some members replaced, as a server says that doesn't sign again. */
export function forged(event: Event, changes: JsonObject): Event {
  return viewEvent({ ...event.json, ...changes }, event.rules, event.eventId)
}

/** What the room is here. */
export async function roomHere({ store }: RoomFixture, roomId: RoomId) {
  return store.read(async (tx) => {
    const room = (await tx.rooms.byId(roomId))!
    const here = inboundRoom(room)!
    const extremities = (await tx.rooms.extremities(room.nid)).map(({ eventId }) => eventId)
    return { ...room, rules: here.rules, extremities }
  })
}
