/** Events of servers that are gone and whose keys nobody gives: rooms go on without them, and take them when keys turn up. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { UserId } from '#core/ids.ts'
import { KEY_WAIT_MS } from '#services/federation/inbound/key-waits.ts'
import { LEFT_OUT_RETRY_MS } from '#services/federation/inbound/left-out-events.ts'
import {
  type Answers,
  honest,
  type InboundFixture,
  inboundFixture,
  REMY,
  roomHere,
  signerOf,
} from '#test/federation/harness/inbound-fixture.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'

const GONE = 'gone.test'
const GUS = `@gus:${GONE}` as UserId

let fixture: InboundFixture
beforeEach(async () => {
  fixture = await inboundFixture()
})
afterEach(() => fixture[Symbol.asyncDispose]())

const stateId = async (room: RemoteRoom, type: string, stateKey = '') =>
  (await fixture.rooms.state(room.roomId, type, stateKey))?.eventId ?? null
const isHere = async ({ eventId }: Event) =>
  (await fixture.rooms.store.read((tx) => tx.events.byId(eventId)))?.rank != null

/** A server that has lost the events between, so that its room's state is asked for instead. */
const withoutGaps =
  (answers: Answers): Answers =>
  (what, request) =>
    what === 'get_missing_events' ? null : answers(what, request)

async function push(event: Event): Promise<void> {
  await fixture.push(event)
  await fixture.ingest.idle()
}

async function pass(ms: number): Promise<void> {
  fixture.time.advance(ms)
  await fixture.ingest.idle()
}

/** A room that Gus of the other server, who may change its topic, has joined while his server was there. */
async function roomOfGus(version = '11'): Promise<RemoteRoom> {
  const room = await fixture.joinedRoom(version)
  const users = room.rules.auth.privilegedCreators ? { [GUS]: 50 } : { [REMY]: 100, [GUS]: 50 }
  await fixture.push(room.put('m.room.power_levels', { users }), room.member(GUS, 'join', GUS, signerOf(GONE)))
  fixture.answers = withoutGaps(honest(room))
  fixture.unknownKeys.add(GONE)
  return room
}

const topicOfGus = (room: RemoteRoom, topic: string) => room.put('m.room.topic', { topic }, GUS, signerOf(GONE))

describe('a state event that nobody can verify', () => {
  for (const version of ['1', '6', '11', '12']) {
    it(`is waited for for a moment, left out, and taken when its key turns up, in version ${version}`, async () => {
      const room = await roomOfGus(version)
      const topic = topicOfGus(room, 'by one who is gone')
      const last = room.send({ body: 'last' })
      await push(last)
      assert.equal(await isHere(last), false)
      await pass(Math.max(KEY_WAIT_MS, 60_000))
      assert.equal(await isHere(last), true)
      assert.equal(await stateId(room, 'm.room.topic'), null)
      await pass(LEFT_OUT_RETRY_MS)
      assert.equal(await stateId(room, 'm.room.topic'), null)

      fixture.unknownKeys.clear()
      await pass(LEFT_OUT_RETRY_MS)
      assert.equal(await stateId(room, 'm.room.topic'), topic.eventId)
      const next = room.send({ body: 'next' })
      await push(next)
      assert.equal(await isHere(next), true)
      assert.equal(await stateId(room, 'm.room.topic'), topic.eventId)
      const { nid } = await roomHere(fixture.rooms, room.roomId)
      assert.deepEqual(await fixture.rooms.store.read((tx) => tx.inbound.leftOut(nid, 9)), [])
    })
  }

  it('holds up nothing more once its server was waited for', async () => {
    const room = await roomOfGus()
    topicOfGus(room, 'first')
    await push(room.send({ body: 'waits' }))
    await pass(Math.max(KEY_WAIT_MS, 60_000))
    topicOfGus(room, 'second')
    const last = room.send({ body: 'does not' })
    await push(last)
    assert.equal(await isHere(last), true)
  })

  it('comes with those that it authorises', async () => {
    const room = await fixture.joinedRoom()
    fixture.unknownKeys.add(GONE)
    fixture.answers = withoutGaps(honest(room))
    room.member(GUS, 'join', GUS, signerOf(GONE))
    const kick = room.member(GUS, 'leave', REMY)
    const last = room.send({ body: 'last' })
    await push(last)
    await pass(Math.max(KEY_WAIT_MS, 60_000))
    assert.equal(await isHere(last), true)
    assert.equal(await stateId(room, 'm.room.member', GUS), null)
    fixture.unknownKeys.clear()
    await pass(LEFT_OUT_RETRY_MS)
    assert.equal(await stateId(room, 'm.room.member', GUS), kick.eventId)
  })

  it('takes the place of nothing newer', async () => {
    const room = await roomOfGus()
    topicOfGus(room, 'older')
    await push(room.send({ body: 'last' }))
    await pass(Math.max(KEY_WAIT_MS, 60_000))
    const newer = room.put('m.room.topic', { topic: 'newer' })
    await push(newer)
    fixture.unknownKeys.clear()
    await pass(LEFT_OUT_RETRY_MS)
    assert.equal(await stateId(room, 'm.room.topic'), newer.eventId)
  })
})
