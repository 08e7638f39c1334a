/** Reading back beyond one's own server's join, in rooms of several Hearths. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { EventId, RoomId } from '#core/ids.ts'
import {
  type Member,
  type SmallFederation,
  threeServers,
  type User,
} from '#test/federation/harness/small-federation.ts'

let federation: SmallFederation
let a: Member
let b: Member
let c: Member
let alice: User
let bob: User
let carol: User

beforeEach(async () => {
  ;({ federation, a, b, c, alice, bob, carol } = await threeServers())
})
afterEach(async () => {
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

const e = encodeURIComponent

/** A public room of Alice's with a history, which Bob has joined. */
async function joinedRoom({
  version = '11',
  messages = 20,
  history = 'shared',
}): Promise<{ roomId: RoomId; said: EventId[] }> {
  const roomId = await alice.createRoom({ preset: 'public_chat', room_version: version })
  await alice.setState(roomId, 'm.room.history_visibility', { history_visibility: history })
  const said: EventId[] = []
  for (let index = 0; index < messages; index += 1) {
    said.push(await alice.say(roomId, String(index)))
    if (index % 50 === 7) await alice.setState(roomId, 'm.room.topic', { topic: `after ${index}` })
  }
  assert.equal((await bob.join(roomId, a)).status, 200)
  await b.services.federation.memberships.partialStates.idle()
  return { roomId, said }
}

/** All events from the newest back to the first, by pages. */
async function readAll(user: User, roomId: RoomId): Promise<{ event_id: EventId; type: string; content: object }[]> {
  const events = []
  let from = ''
  for (let pages = 0; pages < 20; pages += 1) {
    const { status, body } = await user.get(`/rooms/${e(roomId)}/messages?dir=b&limit=40${from}`)
    assert.equal(status, 200, JSON.stringify(body))
    events.push(...body.chunk)
    if (body.end === undefined) return events
    from = `&from=${body.end}`
  }
  throw new Error('The timeline has no end')
}

const idsOf = (events: readonly { event_id: EventId }[]) => events.map(({ event_id }) => event_id)

describe('history from before the join', () => {
  for (const version of ['1', '6', '11', '12']) {
    it(`is read back to the room's creation, in version ${version}`, async () => {
      const { roomId } = await joinedRoom({ version })
      const theirs = await readAll(bob, roomId)
      assert.deepEqual(idsOf(theirs), idsOf(await readAll(alice, roomId)))
      assert.equal(theirs.at(-1)?.type, 'm.room.create')
      const before = federation.asked.length
      await readAll(bob, roomId)
      assert.equal(federation.asked.length, before, 'fetched once')
    })
  }

  it('comes a hundred events at a time', async () => {
    const { roomId, said } = await joinedRoom({ messages: 130 })
    const theirs = idsOf(await readAll(bob, roomId))
    assert.deepEqual(
      theirs.filter((eventId) => said.includes(eventId)),
      said.toReversed(),
    )
    assert.equal(federation.asked.filter(({ line }) => line.includes('/backfill/')).length, 2)
  })

  it('is hidden where only those who were joined may read it', async () => {
    const { roomId } = await joinedRoom({ history: 'joined' })
    const theirs = await readAll(bob, roomId)
    assert.deepEqual(
      theirs.filter(({ type }) => type === 'm.room.message'),
      [],
    )
  })

  it('comes from another server where the first is gone', async () => {
    const { roomId, said } = await joinedRoom({})
    assert.equal((await carol.join(roomId, a)).status, 200)
    await c.services.federation.memberships.partialStates.idle()
    await readAll(bob, roomId)
    a.hide()
    assert.ok(idsOf(await readAll(carol, roomId)).includes(said[0]!))
  })

  it('can be had later where nobody is there', async () => {
    const { roomId, said } = await joinedRoom({})
    federation.intercept = (_from, { uri }) =>
      uri.includes('/backfill/') ? { outcome: 'unreachable', reason: 'test' } : null
    const { body } = await bob.get(`/rooms/${e(roomId)}/messages?dir=b&limit=40`)
    assert.ok(body.chunk.length > 0)
    assert.notEqual(body.end, undefined)
    federation.intercept = () => null
    federation.advance(3_600_000)
    const { body: later } = await bob.get(`/rooms/${e(roomId)}/messages?dir=b&limit=40&from=${body.end}`)
    assert.ok(idsOf(later.chunk).includes(said.at(-1)!))
  })

  it('is found by time', async () => {
    const { roomId, said } = await joinedRoom({})
    const { body: wanted } = await alice.get(`/rooms/${e(roomId)}/event/${e(said[10]!)}`)
    const query = `ts=${wanted.origin_server_ts}&dir=b`
    const found = await b.ask(bob.userId, 'GET', `/_matrix/client/v1/rooms/${e(roomId)}/timestamp_to_event?${query}`)
    assert.equal(found.body.event_id, said[10])
    const context = await bob.get(`/rooms/${e(roomId)}/context/${e(said[10]!)}?limit=4`)
    assert.deepEqual(idsOf(context.body.events_before), [said[9], said[8]])
  })
})
