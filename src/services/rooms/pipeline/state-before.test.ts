import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { authEventKeys } from '#core/event/auth-events.ts'
import { buildEvent } from '#core/event/build-event.ts'
import { type Event, stateMapKey } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import { signerFromSeed } from '#core/event/sign.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
})
after(() => fixture[Symbol.asyncDispose]())

const SIGNER = signerFromSeed(SERVER, 'a', new Uint8Array(32).fill(7))

/** Appends state events that all follow the room's last event, as servers do that don't hear of each other. */
async function fork(
  roomId: RoomId,
  branches: readonly { sender: UserId; type: string; content: JsonObject; ts?: number }[],
): Promise<Event[]> {
  const timeline = await fixture.timeline(roomId)
  const tip = timeline.at(-1) as Event
  const state = new Map(timeline.map((event) => [stateMapKey(event.type, event.stateKey ?? ''), event]))
  const { stateAfter } = await fixture.row(tip.eventId)
  const events: Event[] = []
  for (const [index, { sender, type, content }] of branches.entries()) {
    const keys = authEventKeys({ type, stateKey: '', sender, content }, tip.rules)
    const cited = keys.flatMap(([t, k]) => state.get(stateMapKey(t, k)) ?? [])
    const event = buildEvent(
      {
        type,
        state_key: '',
        sender,
        content,
        room_id: roomId,
        prev_events: [referenceTo(tip)],
        auth_events: cited.map(referenceTo),
        depth: tip.depth + 1,
        origin_server_ts: fixture.clock.now + index,
      },
      tip.rules,
      SIGNER,
      () => `fork${index}of${roomId.slice(1, 10)}`,
    )
    await fixture.store.write(async (tx) => {
      const room = (await tx.rooms.byId(roomId))!
      await tx.events.append({
        roomNid: room.nid,
        expectedHeadSeq: room.headSeq,
        events: [{ event, verdict: 'accepted', stateBefore: stateAfter }],
      })
    })
    events.push(event)
  }
  return events
}

const forkedRoom = async (version: string) => {
  fixture.clock.now += 1_000
  const roomId = await fixture.rooms.creation.create(alice.userId, { room_version: version, preset: 'public_chat' })
  await fixture.rooms.memberships.join(bob, roomId)
  const levels = (await fixture.state(roomId, 'm.room.power_levels'))?.content ?? {}
  const users = { ...(levels['users'] as JsonObject), [bob.userId]: 50 }
  await fixture.setState(alice, roomId, 'm.room.power_levels', { ...levels, users })
  // Among events of the same time and power, state resolution decides by event id.
  fixture.clock.now += 1_000
  return roomId
}

describe('an event on top of a fork', () => {
  for (const version of ['1', '2', '6', '11', '12']) {
    it(`joins the branches, whose states are resolved, in version ${version}`, async () => {
      const roomId = await forkedRoom(version)
      const branches = await fork(roomId, [
        { sender: alice.userId, type: 'm.room.join_rules', content: { join_rule: 'invite' } },
        { sender: bob.userId, type: 'm.room.topic', content: { topic: 'from the other side' } },
        { sender: bob.userId, type: 'm.room.name', content: { name: 'three' } },
      ])
      const sent = await fixture.send(alice, roomId, 'm.room.message', { body: 'together' })
      const { event, stateBefore } = await fixture.row(sent)
      assert.deepEqual([...event.prevEvents].sort(), branches.map(({ eventId }) => eventId).sort())
      const stateEvent = (type: string) => fixture.store.read((tx) => tx.state.get(stateBefore, type, ''))
      for (const branch of branches) {
        assert.equal(await stateEvent(branch.type), (await fixture.row(branch.eventId)).nid)
        assert.equal((await fixture.state(roomId, branch.type))?.eventId, branch.eventId)
      }
      const next = await fixture.send(bob, roomId, 'm.room.message', { body: 'linear again' })
      assert.deepEqual((await fixture.row(next)).event.prevEvents, [sent])
    })
  }

  it('is authorised by the resolved state', async () => {
    const roomId = await forkedRoom('11')
    const levels = (await fixture.state(roomId, 'm.room.power_levels'))?.content ?? {}
    const lowered = { ...levels, users: { [alice.userId]: 100 } }
    await fork(roomId, [
      { sender: alice.userId, type: 'm.room.power_levels', content: lowered },
      { sender: bob.userId, type: 'm.room.topic', content: { topic: 'bob had the power' } },
    ])
    await assert.rejects(fixture.setState(bob, roomId, 'm.room.name', { name: 'x' }), { errcode: 'M_FORBIDDEN' })
    await fixture.send(bob, roomId, 'm.room.message', { body: 'but may speak' })
    assert.deepEqual((await fixture.state(roomId, 'm.room.power_levels'))?.content, lowered)
  })

  it('cites at most ten, and the next one the rest', async () => {
    const roomId = await forkedRoom('11')
    const branches = Array.from({ length: 13 }, (_, index) => ({
      sender: alice.userId,
      type: `org.test.${'x'.repeat(index)}`,
      content: { index },
    }))
    await fork(roomId, branches)
    const first = (await fixture.row(await fixture.send(alice, roomId, 'm.room.message', {}))).event
    assert.equal(first.prevEvents.length, 10)
    await fixture.restart()
    const second = (await fixture.row(await fixture.send(alice, roomId, 'm.room.message', {}))).event
    assert.equal(second.prevEvents.length, 4)
    assert.ok(second.prevEvents.includes(first.eventId))
    for (const { type, content } of branches) {
      assert.deepEqual((await fixture.state(roomId, type))?.content, content)
    }
  })
})
