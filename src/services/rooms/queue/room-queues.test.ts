import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { buildEvent } from '#core/event/build-event.ts'
import { signerFromSeed } from '#core/event/sign.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { WAITING_JOBS_MAX } from '#services/rooms/queue/room-queues.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let roomId: RoomId
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
})
after(() => fixture[Symbol.asyncDispose]())

const newRoom = async (version = '11') => {
  roomId = await fixture.rooms.creation.create(alice.userId, { room_version: version })
}
const say = (body: string) => fixture.send(alice, roomId, 'm.room.message', { body })

/** Writes an event to the room behind the queue's back, as another process would. */
async function writeElsewhere(depth: number): Promise<void> {
  const timeline = await fixture.timeline(roomId)
  const last = timeline.at(-1)!
  const citations = ['m.room.create', 'm.room.power_levels', 'm.room.member'].map(
    (type) => timeline.find((event) => event.type === type)!.eventId,
  )
  const event = buildEvent(
    {
      type: 'm.room.message',
      sender: alice.userId,
      content: { body: 'elsewhere' },
      room_id: roomId,
      prev_events: [last.eventId],
      auth_events: citations,
      depth,
      origin_server_ts: fixture.clock.now,
    },
    ROOM_VERSIONS.get('11')!,
    signerFromSeed(SERVER, 'a', new Uint8Array(32).fill(7)),
    () => 'unused',
  )
  await fixture.store.write(async (tx) => {
    const room = (await tx.rooms.byId(roomId))!
    await tx.events.append({
      roomNid: room.nid,
      expectedHeadSeq: room.headSeq,
      events: [{ event, verdict: 'accepted', stateBefore: 'previous' }],
    })
  })
}

describe('a room’s queue', () => {
  it('goes on from where the room is when another process has written to it', async () => {
    await newRoom()
    await say('one')
    await writeElsewhere(7)
    await Promise.all([say('two'), say('three')])
    const timeline = await fixture.timeline(roomId)
    assert.deepEqual(
      timeline.slice(-4).map(({ content }) => content['body']),
      ['one', 'elsewhere', 'two', 'three'],
    )
    assert.deepEqual(timeline.at(-2)?.prevEvents, [timeline.at(-3)?.eventId])
  })

  it('does not refuse by what it remembers when another process has changed the room', async () => {
    await newRoom()
    const bob = await fixture.user('bob')
    await assert.rejects(fixture.rooms.memberships.join(bob, roomId), { errcode: 'M_FORBIDDEN' })
    // Another process is the same services on another queue.
    const other = await fixture.secondProcess()
    await other.memberships.invite(alice, roomId, bob.userId)
    await fixture.rooms.memberships.join(bob, roomId)
    assert.equal(await fixture.membership(roomId, bob.userId), 'join')
  })

  it('S42: a depth at the limit neither stops nor reorders the room', async () => {
    await newRoom()
    await say('before')
    await writeElsewhere(Number.MAX_SAFE_INTEGER)
    await say('after')
    await fixture.restart()
    await say('later')
    const timeline = await fixture.timeline(roomId)
    assert.deepEqual(
      timeline.slice(-4).map(({ content }) => content['body']),
      ['before', 'elsewhere', 'after', 'later'],
    )
    assert.equal(timeline.at(-1)?.depth, Number.MAX_SAFE_INTEGER)
    assert.equal(timeline.at(-2)?.depth, Number.MAX_SAFE_INTEGER)
  })

  it('is bounded', async () => {
    await newRoom()
    const results = await Promise.allSettled(
      Array.from({ length: WAITING_JOBS_MAX + 10 }, () =>
        fixture.setState(alice, roomId, 'm.room.topic', { topic: 'x' }),
      ),
    )
    const refused = results.filter(({ status }) => status === 'rejected')
    assert.ok(refused.length > 0 && refused.length <= 10)
    for (const result of refused) {
      assert.equal((result as PromiseRejectedResult).reason.errcode, 'M_LIMIT_EXCEEDED')
    }
  })

  it('gives every sender of one room what was written, after a restart as well', async () => {
    await newRoom('12')
    const users: TestUser[] = []
    for (let index = 0; index < 20; index++) users.push(await fixture.user(`many${index}`))
    await fixture.setState(alice, roomId, 'm.room.join_rules', { join_rule: 'public' })
    await Promise.all(users.map((user) => fixture.rooms.memberships.join(user, roomId)))
    const ids = await Promise.all(
      users.flatMap((user) => [1, 2, 3].map((n) => fixture.send(user, roomId, 'm.room.message', { body: `${n}` }))),
    )
    await fixture.restart()
    const timeline = await fixture.timeline(roomId)
    const stored = new Set(timeline.map(({ eventId }) => eventId))
    assert.ok(ids.every((eventId) => stored.has(eventId)))
    assert.equal(new Set(ids).size, 60)
    for (const user of users as readonly { userId: UserId }[]) {
      const own = timeline.filter(({ sender, type }) => sender === user.userId && type === 'm.room.message')
      assert.deepEqual(
        own.map(({ content }) => content['body']),
        ['1', '2', '3'],
      )
    }
  })
})
