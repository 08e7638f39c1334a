/** S30: what other servers may read, for each kind of server and each question. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { signerFromSeed } from '#core/event/sign.ts'
import type { EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { BACKFILL_EVENTS_MAX, EventReads, MISSING_EVENTS_MAX } from '#services/federation/reads/event-reads.ts'
import { StateReads } from '#services/federation/reads/state-reads.ts'
import { RoomQueues } from '#services/rooms/queue/room-queues.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

const SERVERS = ['member.test', 'late.test', 'ex-member.test', 'invited.test', 'outsider.test', 'denied.test'] as const
type Server = (typeof SERVERS)[number]

let fixture: RoomFixture
let alice: TestUser
let events: EventReads
let states: StateReads
before(async () => {
  fixture = await roomFixture({ defaultVersion: '11' })
  alice = await fixture.user('alice')
  events = new EventReads(fixture)
  states = new StateReads(fixture)
})
after(() => fixture[Symbol.asyncDispose]())

const userOf = (server: Server) => ({ userId: `@user:${server}` as UserId, isGuest: false })

/** As another server's user is invited once their server has signed it. */
async function invite(roomId: RoomId, target: UserId): Promise<void> {
  const signer = signerFromSeed(SERVER, 'a', new Uint8Array(32).fill(7))
  const queues = new RoomQueues({
    store: fixture.store,
    signer,
    clock: () => fixture.clock.now,
    newLocalpart: () => '',
  })
  const content = { membership: 'invite' }
  await queues.run(roomId, {
    run: (draft) => draft.send({ type: 'm.room.member', stateKey: target, sender: alice.userId, content }),
  })
}

/** A message some time after everything before. */
function sendLater(roomId: RoomId, body: string): Promise<EventId> {
  fixture.clock.now += 1_000
  return fixture.send(alice, roomId, 'm.room.message', { body })
}

type Story = {
  readonly roomId: RoomId
  /** When the member and the ex-member were in the room. */
  readonly early: EventId
  /** After the ex-member left, before the late one came. */
  readonly middle: EventId
  /** When the member and the late one are in the room. */
  readonly last: EventId
}

/** A room whose history is open as the visibility says, with one server of each kind. */
async function story(visibility: string, version = '11'): Promise<Story> {
  const { rooms } = fixture
  const roomId = await rooms.creation.create(alice.userId, { preset: 'public_chat', room_version: version })
  await fixture.setState(alice, roomId, 'm.room.history_visibility', { history_visibility: visibility })
  await rooms.memberships.join(userOf('member.test'), roomId)
  await rooms.memberships.join(userOf('ex-member.test'), roomId)
  await rooms.memberships.join(userOf('denied.test'), roomId)
  const early = await sendLater(roomId, 'early')
  await rooms.memberships.leave(userOf('ex-member.test'), roomId)
  const acl = { allow: ['*'], deny: ['denied.test'] }
  await fixture.setState(alice, roomId, 'm.room.server_acl', acl)
  await invite(roomId, userOf('invited.test').userId)
  const middle = await sendLater(roomId, 'middle')
  await rooms.memberships.join(userOf('late.test'), roomId)
  const last = await sendLater(roomId, 'last')
  return { roomId, early, middle, last }
}

/** `full`, `redacted`, or the error. */
async function outcome(pdu: Promise<JsonObject | undefined>): Promise<string> {
  try {
    const json = await pdu
    if (json === undefined) return 'absent'
    return member(json['content'] as JsonObject, 'body') === undefined ? 'redacted' : 'full'
  } catch (error) {
    if (error instanceof MatrixError) return error.errcode
    throw error
  }
}

const byBackfill = async (server: ServerName, { roomId }: Story, eventId: EventId) =>
  (await events.backfill(server, roomId, [eventId], 1))[0]
const single = (server: ServerName, _story: Story, eventId: EventId) => events.event(server, eventId)
const ofState = async (server: ServerName, { roomId }: Story, eventId: EventId) => {
  const { state, authChain } = await states.state(server, roomId, eventId)
  const ids = await states.stateIds(server, roomId, eventId)
  assert.equal(ids.state.length, state.length)
  assert.equal(ids.authChain.length, authChain.length)
  assert.ok(state.length > 5)
  return { content: { body: 'the state' } }
}
const ofAuth = async (server: ServerName, { roomId }: Story, eventId: EventId) => {
  assert.ok((await states.eventAuth(server, roomId, eventId)).length > 0)
  return { content: { body: 'the chain' } }
}

const NO = 'M_FORBIDDEN'
/** [early, middle, last] */
type Row = readonly [string, string, string]
const ALL: Row = ['full', 'full', 'full']
const NOTHING: Row = [NO, NO, NO]

const VISIBILITIES = ['world_readable', 'shared', 'invited', 'joined'] as const

/** For `/event` and `/backfill`. */
const EVENTS: Readonly<Record<(typeof VISIBILITIES)[number], Readonly<Record<Server, Row>>>> = {
  world_readable: {
    'member.test': ALL,
    'late.test': ALL,
    'ex-member.test': ALL,
    'invited.test': ALL,
    'outsider.test': ALL,
    'denied.test': NOTHING,
  },
  shared: {
    'member.test': ALL,
    'late.test': ALL,
    'ex-member.test': ['full', NO, NO],
    'invited.test': NOTHING,
    'outsider.test': NOTHING,
    'denied.test': NOTHING,
  },
  invited: {
    'member.test': ALL,
    'late.test': ['redacted', 'redacted', 'full'],
    'ex-member.test': ['full', NO, NO],
    'invited.test': [NO, 'full', 'full'],
    'outsider.test': NOTHING,
    'denied.test': NOTHING,
  },
  joined: {
    'member.test': ALL,
    'late.test': ['redacted', 'redacted', 'full'],
    'ex-member.test': ['full', NO, NO],
    'invited.test': NOTHING,
    'outsider.test': NOTHING,
    'denied.test': NOTHING,
  },
}

/** For `/state`, `/state_ids` and `/event_auth`: who is or was in the room then, or is in it now. */
const STATES: Readonly<Record<Server, Row>> = {
  'member.test': ALL,
  'late.test': ALL,
  'ex-member.test': ['full', NO, NO],
  'invited.test': NOTHING,
  'outsider.test': NOTHING,
  'denied.test': NOTHING,
}

describe('S30: a server that asks', () => {
  for (const visibility of VISIBILITIES) {
    it(`gets what it may see of a room with ${visibility} history`, async () => {
      const told = await story(visibility)
      for (const server of SERVERS) {
        const name = server as string as ServerName
        const states = visibility === 'world_readable' && server !== 'denied.test' ? ALL : STATES[server]
        for (const [index, eventId] of [told.early, told.middle, told.last].entries()) {
          const place = `${server} about event ${index}`
          assert.equal(await outcome(single(name, told, eventId)), EVENTS[visibility][server][index], place)
          assert.equal(await outcome(byBackfill(name, told, eventId)), EVENTS[visibility][server][index], place)
          assert.equal(await outcome(ofState(name, told, eventId)), states[index], `state: ${place}`)
          assert.equal(await outcome(ofAuth(name, told, eventId)), states[index], `auth: ${place}`)
        }
      }
    })
  }

  it('gets the nearest event in time that it sees, and none where it sees none', async () => {
    const told = await story('joined')
    const { originServerTs } = (await fixture.row(told.middle)).event
    const near = async (server: Server) => {
      const found = events.eventNearTime(server as string as ServerName, told.roomId, originServerTs, 'backwards')
      return outcome(found.then((event) => ({ content: { body: event.event_id } })))
    }
    assert.equal(await near('member.test'), 'full')
    assert.equal(await near('ex-member.test'), 'full')
    for (const server of ['invited.test', 'outsider.test', 'denied.test'] as const) {
      assert.ok(['M_FORBIDDEN', 'M_NOT_FOUND'].includes(await near(server)), server)
    }
  })

  it('learns nothing of rooms and events that are not here', async () => {
    const told = await story('shared')
    const nowhere = '!nowhere:here.test' as RoomId
    const unknown = '$unknown' as EventId
    const outsider = 'outsider.test' as ServerName
    const insider = 'member.test' as ServerName
    const state = (server: ServerName, room: RoomId, event: EventId) =>
      outcome(states.stateIds(server, room, event).then(() => undefined))
    assert.equal(await state(outsider, nowhere, told.last), 'M_FORBIDDEN')
    assert.equal(await state(outsider, told.roomId, unknown), 'M_FORBIDDEN')
    assert.equal(await state(insider, nowhere, told.last), 'M_FORBIDDEN')
    assert.equal(await state(insider, told.roomId, unknown), 'M_NOT_FOUND')
    const other = await story('shared')
    assert.equal(await state(insider, told.roomId, other.last), 'M_NOT_FOUND')
    assert.equal(await outcome(byBackfill(insider, told, other.last)), 'M_NOT_FOUND')
  })

  it('counts as in a room that is being joined when the answer to the join said so, but gets no half of a state', async () => {
    const told = await story('shared')
    const server = 'resident.test' as ServerName
    await assert.rejects(events.event(server, told.last), { errcode: 'M_FORBIDDEN' })
    await fixture.store.write(async (tx) => {
      const { nid } = (await tx.rooms.byId(told.roomId))!
      await tx.rooms.setPartial(nid, { joinEvent: told.last, servers: [server] })
    })
    assert.equal(await outcome(events.event(server, told.last)), 'full')
    await assert.rejects(states.stateIds(server, told.roomId, told.last), { errcode: 'M_NOT_FOUND' })
    await assert.rejects(states.state(server, told.roomId, told.last), { errcode: 'M_NOT_FOUND' })
  })

  it('gets state that it did not see then as redacted copies, unless it is state now', async () => {
    const told = await story('joined')
    await fixture.setState(alice, told.roomId, 'm.room.name', { name: 'still here' })
    await fixture.setState(alice, told.roomId, 'm.room.topic', { topic: 'replaced' })
    const then = await fixture.send(alice, told.roomId, 'm.room.message', { body: 'then' })
    await fixture.setState(alice, told.roomId, 'm.room.topic', { topic: 'new' })
    await fixture.rooms.memberships.join({ userId: '@new:new.test' as UserId, isGuest: false }, told.roomId)
    const { state } = await states.state('new.test' as ServerName, told.roomId, then)
    const content = (type: string) => state.find((pdu) => pdu['type'] === type)?.['content']
    assert.deepEqual(content('m.room.name'), { name: 'still here' })
    assert.deepEqual(content('m.room.topic'), {})
  })
})

describe('backfill', () => {
  it('goes back from the events named, the newest first, and holds at most a hundred', async () => {
    const { roomId } = await story('shared')
    const sent: EventId[] = []
    for (let index = 0; index < BACKFILL_EVENTS_MAX + 5; index += 1) {
      sent.push(await fixture.send(alice, roomId, 'm.room.message', { body: String(index) }))
    }
    const last = sent.at(-1) as EventId
    const bodies = async (limit: number) =>
      (await events.backfill('member.test' as ServerName, roomId, [last], limit)).map(
        (pdu) => (pdu['content'] as JsonObject)['body'],
      )
    assert.deepEqual(await bodies(3), ['104', '103', '102'])
    assert.equal((await bodies(BACKFILL_EVENTS_MAX)).length, BACKFILL_EVENTS_MAX)
    assert.equal((await bodies(BACKFILL_EVENTS_MAX + 1)).length, BACKFILL_EVENTS_MAX)
    assert.deepEqual(await bodies(0), [])
  })
})

describe('get_missing_events', () => {
  it('gives what lies between, the oldest first, and at most twenty', async () => {
    const { roomId } = await story('shared')
    const sent: EventId[] = []
    for (let index = 0; index < 30; index += 1) {
      sent.push(await fixture.send(alice, roomId, 'm.room.message', { body: String(index) }))
    }
    const between = async (from: number, to: number, limit: number | null, minDepth: number | null = null) => {
      const request = { earliest: [sent[from]!], latest: [sent[to]!], limit, minDepth }
      const pdus = await events.missingEvents('member.test' as ServerName, roomId, request)
      return pdus.map((pdu) => Number((pdu['content'] as JsonObject)['body']))
    }
    assert.deepEqual(await between(3, 7, 20), [4, 5, 6])
    assert.deepEqual(await between(3, 4, 20), [])
    assert.deepEqual(await between(3, 29, null), [19, 20, 21, 22, 23, 24, 25, 26, 27, 28])
    assert.equal((await between(0, 29, MISSING_EVENTS_MAX)).length, MISSING_EVENTS_MAX)
    assert.equal((await between(0, 29, MISSING_EVENTS_MAX + 1)).length, MISSING_EVENTS_MAX)
    const { depth } = (await fixture.row(sent[5]!)).event
    assert.deepEqual(await between(0, 7, 20, depth), [5, 6])
  })

  it('leaves out what a server that has left did not see', async () => {
    const told = await story('shared')
    const request = { earliest: [], limit: 20, minDepth: null }
    const ask = (latest: EventId) =>
      events.missingEvents('ex-member.test' as ServerName, told.roomId, { ...request, latest: [latest] })
    await assert.rejects(ask(told.last), { errcode: 'M_FORBIDDEN' })
    const seen = await ask(told.early)
    assert.ok(seen.length > 3)
    assert.ok(seen.every((pdu) => pdu['type'] !== 'm.room.server_acl'))
  })
})

describe('event_auth', () => {
  for (const version of ['1', '11', '12']) {
    it(`is the chain of that event alone, in version ${version}`, () => isChainOf(version))
  }

  async function isChainOf(version: string): Promise<void> {
    const told = await story('shared', version)
    const pdus = await states.eventAuth('member.test' as ServerName, told.roomId, told.early)
    const types = pdus.map((pdu) => pdu['type']).toSorted()
    assert.deepEqual(types, ['m.room.create', 'm.room.member', 'm.room.power_levels'])
  }
})
