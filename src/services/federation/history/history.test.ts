/** S55: history that is missing here is fetched from others when somebody reads it, and not more often than it helps. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { authEventKeys } from '#core/event/auth-events.ts'
import { buildEvent } from '#core/event/build-event.ts'
import { type Event, stateMapKey } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import { signerFromSeed } from '#core/event/sign.ts'
import { parseRoomEventFilter } from '#core/filter/event-filter.ts'
import type { EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '#core/json/value.ts'
import { BackfilledTimeline } from '#services/federation/history/backfilled-timeline.ts'
import { Backfiller } from '#services/federation/history/backfiller.ts'
import type { Backfilled } from '#services/federation/inbound/history-import.ts'
import type { FederationReply } from '#services/federation/transport/federation-client.ts'
import { ClientEvents } from '#services/timeline/client-events.ts'
import { type MessagesRequest, Timeline } from '#services/timeline/timeline.ts'
import type { StateId } from '#store/types/state.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

const SIGNER = signerFromSeed(SERVER, 'a', new Uint8Array(32).fill(7))
const OTHERS = ['one.test', 'two.test'] as const

let fixture: RoomFixture
let alice: TestUser
let history: BackfilledTimeline
let roomId: RoomId
/** Messages that only other servers have, oldest first; the last one is what the newest event here cites. */
let missing: Event[]
let stateId: StateId
/** What each server answers to `/backfill`; null where it can't be reached. */
let answers: Map<string, (eventIds: readonly EventId[], limit: number) => JsonObject[] | null>
let asked: string[]
/** How long pages were held back. */
let paused: number[]
let nearEvent: JsonValue

beforeEach(open)

async function open(): Promise<void> {
  fixture = await roomFixture({ defaultVersion: '11' })
  alice = await fixture.user('alice')
  asked = []
  paused = []
  answers = new Map()
  nearEvent = {}
  const clock = () => fixture.clock.now
  const timeline = new Timeline({ store: fixture.store, clientEvents: new ClientEvents(clock) })
  const serverName = SERVER as ServerName
  const fetcher = {
    async backfill(server: ServerName, _room: RoomId, eventIds: readonly EventId[], limit: number) {
      asked.push(server)
      return answers.get(server)?.(eventIds, limit) ?? null
    },
  }
  const client = {
    async request({ destination }: { destination: ServerName }): Promise<FederationReply> {
      asked.push(`time ${destination}`)
      return { outcome: 'answered', status: 200, json: nearEvent, bytes: new Uint8Array() }
    },
  }
  const timers = {
    after(ms: number, fn: () => void) {
      paused.push(ms)
      fn()
      return () => {}
    },
  }
  const filler = new Backfiller({
    store: fixture.store,
    serverName,
    fetcher,
    backOff: { reachableFirst: (servers) => [...servers] },
    ingest: { backfilled: place },
    clock,
  })
  history = new BackfilledTimeline({ store: fixture.store, serverName, timeline, filler, client, timers })
}
afterEach(() => fixture[Symbol.asyncDispose]())

/** Stands for the checks of events from elsewhere: puts what it gets below the newest event. */
async function place(_room: RoomId, _via: ServerName, pdus: readonly JsonObject[]): Promise<Backfilled> {
  const wanted = new Set(pdus.map((pdu) => JSON.stringify(pdu)))
  const events = missing.filter(({ json }) => wanted.has(JSON.stringify(json)))
  return fixture.store.write(async (tx) => {
    const room = (await tx.rooms.byId(roomId))!
    const [gap] = await tx.backwardExtremities.below(room.nid, room.rankMax, 1)
    const placed = await tx.events.addHistory({
      roomNid: room.nid,
      beforeRank: gap!.rank,
      events: events.map((event) => ({ event, verdict: 'accepted', stateBefore: stateId })),
    })
    return { placed: placed.length, opened: 0, isBlocked: false }
  })
}

/** A room with members elsewhere, whose newest event cites `count` messages that aren't here. */
async function roomWithGap(count: number): Promise<void> {
  roomId = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat' })
  for (const server of OTHERS) {
    await fixture.rooms.memberships.join({ userId: `@user:${server}` as UserId, isGuest: false }, roomId)
  }
  await fixture.rooms.memberships.join({ userId: '@second:one.test' as UserId, isGuest: false }, roomId)
  const timeline = await fixture.timeline(roomId)
  const state = new Map(timeline.map((event) => [stateMapKey(event.type, event.stateKey ?? ''), event]))
  let tip = timeline.at(-1) as Event
  stateId = (await fixture.row(tip.eventId)).stateAfter
  const made: Event[] = []
  for (let index = 0; index <= count; index += 1) {
    const sender = '@user:two.test' as UserId
    const content = { body: String(index) }
    const keys = authEventKeys({ type: 'm.room.message', stateKey: null, sender, content }, tip.rules)
    const authEvents = keys.flatMap(([type, key]) => state.get(stateMapKey(type, key)) ?? []).map(referenceTo)
    fixture.clock.now += 1_000
    const template = {
      type: 'm.room.message',
      sender,
      content,
      room_id: roomId,
      prev_events: [referenceTo(tip)],
      auth_events: authEvents,
      depth: tip.depth + 1,
      origin_server_ts: fixture.clock.now,
    }
    tip = buildEvent(template, tip.rules, SIGNER, () => '')
    made.push(tip)
  }
  missing = made.slice(0, -1)
  await fixture.store.write(async (tx) => {
    const room = (await tx.rooms.byId(roomId))!
    const events = [{ event: tip, verdict: 'accepted' as const, stateBefore: stateId }]
    await tx.events.append({ roomNid: room.nid, expectedHeadSeq: room.headSeq, events, currentState: stateId })
  })
}

/** The same room on a server that has joined it just now, and so holds its state and the newest event. */
async function onlyTheNewest(): Promise<void> {
  const whole = await fixture.timeline(roomId)
  const newest = whole.at(-1)!
  const state = [...new Map(whole.map((event) => [stateMapKey(event.type, event.stateKey ?? ''), event])).values()]
  await fixture[Symbol.asyncDispose]()
  await open()
  await fixture.store.write(async (tx) => {
    const roomNid = await tx.rooms.create(roomId, '11')
    const entries = state.filter((event) => event.stateKey !== null)
    const nids = await tx.events.addOutliers(
      roomNid,
      whole.filter((event) => event.stateKey !== null).map((event) => ({ event, verdict: 'accepted' })),
    )
    const outliers = new Map((await tx.events.byNids(nids)).values().map((row) => [row.event.eventId, row.nid]))
    stateId = await tx.state.build(
      roomNid,
      entries.map((event) => ({ type: event.type, stateKey: event.stateKey!, event: outliers.get(event.eventId)! })),
    )
    const events = [{ event: newest, verdict: 'accepted' as const, stateBefore: stateId }]
    await tx.events.append({ roomNid, expectedHeadSeq: 0, events, currentState: stateId })
  })
}

/** As a server with the whole history answers. */
const whole = (eventIds: readonly EventId[], limit: number): JsonObject[] => {
  const last = missing.findIndex(({ eventId }) => eventIds.includes(eventId))
  return missing
    .slice(Math.max(0, last + 1 - limit), last + 1)
    .toReversed()
    .map(({ json }) => json)
}

const page = (request: Partial<MessagesRequest> = {}) =>
  history.messages({ ...alice, deviceId: null }, roomId, {
    direction: 'backwards',
    from: null,
    to: null,
    limit: 5,
    filter: parseRoomEventFilter({}),
    ...request,
  })
const bodies = (chunk: readonly JsonObject[]) =>
  chunk.flatMap(({ content }) => (isJsonObject(content) && 'body' in content ? [content['body']] : []))

describe('/messages', () => {
  it('fetches what is missing within the page', async () => {
    await roomWithGap(10)
    for (const server of OTHERS) answers.set(server, whole)
    const first = await page()
    assert.deepEqual(bodies(first.chunk), ['10', '9', '8', '7', '6'])
    // Whoever cited the missing event is asked first.
    assert.deepEqual(asked, ['two.test'])
    const second = await page({ from: first.end!, limit: 10 })
    assert.deepEqual(bodies(second.chunk), ['5', '4', '3', '2', '1', '0'])
    assert.deepEqual(asked, ['two.test'])
  })

  it('goes on from one answer to the next, and stops after a few', async () => {
    await roomWithGap(12)
    answers.set('two.test', (eventIds) => whole(eventIds, 2))
    const { chunk } = await page({ limit: 20 })
    assert.equal(asked.length, 5)
    assert.deepEqual(bodies(chunk).length, 11)
  })

  it('turns to the next server, and back off when none helps', async () => {
    await roomWithGap(3)
    answers.set('one.test', () => [])
    assert.deepEqual(bodies((await page()).chunk), ['3'])
    assert.deepEqual(asked, ['two.test', 'one.test'])
    await page()
    assert.equal(asked.length, 2)
    fixture.clock.now += 2 * 3_600_000 - 1
    await page()
    assert.equal(asked.length, 2)
    fixture.clock.now += 1
    answers.set('one.test', whole)
    assert.deepEqual(bodies((await page()).chunk), ['3', '2', '1', '0'])
    assert.equal(asked.length, 4)
  })

  it('comes back soon where nobody could be reached', async () => {
    await roomWithGap(3)
    await page()
    assert.equal(asked.length, 2)
    fixture.clock.now += 30_000
    answers.set('two.test', whole)
    assert.equal(bodies((await page()).chunk).length, 4)
  })

  it('waits for nothing that a clock put back makes longer', async () => {
    await roomWithGap(3)
    await page()
    fixture.clock.now -= 24 * 3_600_000
    answers.set('two.test', whole)
    assert.equal(bodies((await page()).chunk).length, 4)
  })

  it('asks nobody for pages without a gap, forwards, or for those who may not read the room', async () => {
    await roomWithGap(3)
    answers.set('two.test', whole)
    await page({ limit: 1 })
    await page({ direction: 'forwards' })
    const bob = await fixture.user('bob')
    const stranger = history.messages({ ...bob, deviceId: null }, roomId, {
      direction: 'backwards',
      from: null,
      to: null,
      limit: 5,
      filter: parseRoomEventFilter({}),
    })
    await assert.rejects(stranger, { errcode: 'M_FORBIDDEN' })
    assert.deepEqual(asked, [])
  })

  it('lets the client come back for what is older than all that is here', async () => {
    await roomWithGap(2)
    await onlyTheNewest()
    const first = await page()
    assert.deepEqual(bodies(first.chunk), ['2'])
    assert.notEqual(first.end, undefined)
    assert.deepEqual(paused, [])
    // Nobody could be reached: so that the client asks again, though not at once.
    for (const pauses of [1, 2]) {
      const again = await page({ from: first.end! })
      assert.deepEqual([again.chunk, again.end, paused.length], [[], first.end, pauses])
    }
    fixture.clock.now += 3_600_000
    for (const server of OTHERS) answers.set(server, () => [])
    const useless = await page({ from: first.end! })
    assert.deepEqual([useless.chunk, useless.end, paused.length], [[], undefined, 2])
    fixture.clock.now += 10 * 24 * 3_600_000
    answers.set('two.test', whole)
    assert.deepEqual(bodies((await page({ from: first.end! })).chunk), ['1', '0'])
  })

  it('has an end to go on from where nothing that came is wanted', async () => {
    await roomWithGap(15)
    await onlyTheNewest()
    answers.set('two.test', (eventIds) => whole(eventIds, 1))
    const filter = parseRoomEventFilter({ types: ['org.example.rare'] })
    const first = await page({ filter })
    assert.deepEqual([first.chunk, asked.length], [[], 4])
    const second = await page({ filter, from: first.end! })
    assert.notEqual(second.end, undefined)
    assert.notEqual(second.end, first.end)
  })

  it('asks once for readers who come at the same time', async () => {
    await roomWithGap(3)
    answers.set('two.test', whole)
    const pages = await Promise.all([page(), page(), page()])
    for (const { chunk } of pages) assert.equal(bodies(chunk).length, 4)
    assert.deepEqual(asked, ['two.test'])
  })
})

describe('/context', () => {
  it('fetches what is missing before the event', async () => {
    await roomWithGap(3)
    answers.set('two.test', whole)
    const last = (await fixture.timeline(roomId)).at(-1)!.eventId
    const options = { limit: 6, filter: parseRoomEventFilter({}) }
    const { events_before } = await history.context({ ...alice, deviceId: null }, roomId, last, options)
    assert.deepEqual(bodies(events_before), ['2', '1', '0'])
  })
})

describe('timestamp_to_event', () => {
  it('asks others where the time lies in a gap, and fetches what is closer', async () => {
    await roomWithGap(5)
    answers.set('two.test', whole)
    const wanted = missing[2]!
    const find = () => history.eventNearTime({ ...alice, deviceId: null }, roomId, wanted.originServerTs, 'backwards')
    const here = await find()
    assert.notEqual(here.event_id, wanted.eventId)
    nearEvent = { event_id: wanted.eventId, origin_server_ts: wanted.originServerTs }
    assert.equal((await find()).event_id, wanted.eventId)
    asked.length = 0
    assert.equal((await find()).event_id, wanted.eventId)
    assert.deepEqual(asked, [])
  })
})
