/** Rooms with many forks get an event that joins them, by whoever of this server may send one. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { UserId } from '#core/ids.ts'
import { DUMMY_EVENT, EXTREMITIES_MAX } from '#services/rooms/queue/forward-extremity-merger.ts'
import {
  HERE,
  type InboundFixture,
  inboundFixture,
  REMY,
  roomHere,
  signHere,
} from '#test/federation/harness/inbound-fixture.ts'

const ZOE = `@zoe:${HERE}` as UserId
const READERS = 30
const BRANCHES = 23

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

/** A room with many readers of this server, and Zoe, in which only those with power may speak; then many forks. */
async function forked(version: string, level: number) {
  const room = await fixture.joinedRoom(version)
  const readers = Array.from({ length: READERS }, (_, n) => `@reader${n}:${HERE}` as UserId)
  const users = { ...(version === '12' ? {} : { [REMY]: 100 }), [ZOE]: level }
  const levels = room.put('m.room.power_levels', { events_default: 50, users })
  const joins = [...readers, ZOE].map((user) => room.member(user, 'join', user, signHere))
  const { tips } = room
  const branches = Array.from({ length: BRANCHES }, (_, n) => room.event({ content: { n }, prevEvents: tips }))
  for (const [eventId, answer] of await fixture.push(levels, ...joins, ...branches))
    assert.deepEqual(answer, {}, eventId)
  const { extremities } = await roomHere(fixture.rooms, room.roomId)
  const dummies = (await fixture.rooms.timeline(room.roomId)).filter(({ type }) => type === DUMMY_EVENT)
  return { extremities, senders: new Set(dummies.map(({ sender }) => sender)) }
}

describe('too many forks', () => {
  for (const version of ['11', '12']) {
    it(`are joined by the one who may speak, in version ${version}`, async () => {
      const { extremities, senders } = await forked(version, 50)
      assert.ok(extremities.length <= EXTREMITIES_MAX, `${extremities.length}`)
      assert.deepEqual(senders, new Set([ZOE]))
    })

    it(`stay where nobody here may, in version ${version}`, async () => {
      const { extremities, senders } = await forked(version, 49)
      assert.equal(extremities.length, BRANCHES)
      assert.deepEqual(senders, new Set())
      assert.deepEqual(fixture.rooms.errors, [])
    })
  }
})
