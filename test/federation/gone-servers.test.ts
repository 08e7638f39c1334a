/** Rooms whose state holds events of a server that is gone, and whose key nobody gives. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { EventId, RoomId } from '#core/ids.ts'
import { LEFT_OUT_RETRY_MS } from '#services/federation/inbound/left-out-events.ts'
import { type Member, SmallFederation, type User } from '#test/federation/harness/small-federation.ts'
import { type ManualTime, manualTime } from '#test/harness/manual-time.ts'

const e = encodeURIComponent

/** What a notary says that doesn't know the server. */
const NO_KEYS = {
  outcome: 'answered',
  status: 200,
  retryAfterMs: null,
  body: Buffer.from('{"server_keys":[]}'),
} as const

let federation: SmallFederation
let time: ManualTime
let a: Member
let b: Member
let c: Member
let alice: User
let bob: User
let carol: User
let roomId: RoomId
let said: EventId[]

/** Alice's room, whose topic Carol has set before her server was gone. */
beforeEach(async () => {
  federation = new SmallFederation()
  time = manualTime()
  a = await federation.server('a.test')
  b = await federation.server('b.test', {}, time.timers)
  c = await federation.server('c.test')
  ;[alice, bob, carol] = [await a.user('alice'), await b.user('bob'), await c.user('carol')]
  roomId = await alice.createRoom({
    preset: 'public_chat',
    room_version: '11',
    power_level_content_override: { users: { [alice.userId]: 100, [carol.userId]: 50 } },
  })
  assert.equal((await carol.join(roomId, a)).status, 200)
  await c.services.federation.memberships.partialStates.idle()
  assert.equal((await carol.setState(roomId, 'm.room.topic', { topic: 'old' })).status, 200)
  await a.until(async () => (await a.state(roomId, 'm.room.topic')) !== undefined)
  said = []
  for (let n = 0; n < 5; n += 1) said.push(await alice.say(roomId, String(n)))
  c.hide()
  federation.intercept = (_from, { uri }) => (uri.startsWith('/_matrix/key/v2/query') ? NO_KEYS : null)
})
afterEach(async () => {
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

async function pass(ms: number): Promise<void> {
  federation.advance(ms)
  time.advance(ms)
  await nextTurn()
}

/** Joins, and lets the time pass that the room's full state takes. */
async function join(): Promise<void> {
  assert.equal((await bob.join(roomId, a)).status, 200)
  for (let n = 0; await isPartial(); n += 1) {
    assert.ok(n < 1_000, 'the room is never whole')
    await pass(1_000)
  }
}

const isPartial = () => b.store.read(async (tx) => (await tx.rooms.byId(roomId))?.partial !== null)

async function messages(user: User): Promise<{ chunk: { event_id: EventId; type: string }[]; end?: string }> {
  const { status, body } = await user.get(`/rooms/${e(roomId)}/messages?dir=b&limit=50`)
  assert.equal(status, 200)
  return body
}

describe('a room with state of a server that is gone', () => {
  it('is whole without it soon after a join, and its history can be read', async () => {
    await join()
    const members = (await bob.get(`/rooms/${e(roomId)}/joined_members`)).body.joined
    assert.deepEqual(Object.keys(members).toSorted(), [alice.userId, bob.userId])
    const { chunk } = await messages(bob)
    assert.equal(chunk.at(-1)?.type, 'm.room.create')
    const shown = chunk.map(({ event_id }) => event_id)
    assert.deepEqual(
      shown.filter((eventId) => said.includes(eventId)),
      said.toReversed(),
    )
    const live = await alice.say(roomId, 'live')
    await b.until(async () => (await b.store.read((tx) => tx.events.byId(live)))?.position != null)
  })

  it('takes it when its server is back, and tells clients', async () => {
    await join()
    const { next_batch } = await bob.sync()
    c.show()
    federation.intercept = () => null
    await pass(LEFT_OUT_RETRY_MS)
    await b.services.federation.inbound.idle()
    assert.equal((await b.state(roomId, 'm.room.topic'))?.content['topic'], 'old')
    assert.equal(await b.membership(roomId, carol.userId), 'join')
    const { rooms } = (await bob.get(`/sync?since=${next_batch}`)).body
    const told = [...rooms.join[roomId].state.events, ...rooms.join[roomId].timeline.events]
    assert.deepEqual(told.map(({ type }) => type).toSorted(), ['m.room.member', 'm.room.topic'])
  })
})
