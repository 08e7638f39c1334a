/** A hundred thousand typing notices, receipts and presences: what they cost, and how many are kept. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { receiveReceipts } from '#services/federation/inbound/receipt-edu.ts'
import { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import { LogFollowers } from '#services/log/log-followers.ts'
import { PresenceService } from '#services/presence/presence-service.ts'
import { PUSH_MAX, REMOTE_USERS_MAX, SILENT_AFTER_MS } from '#services/presence/remote-presence.ts'
import { RECEIPTS_PER_ANSWER_MAX, receiptUpdates } from '#services/receipts/receipt-events.ts'
import { TYPING_MAX, TYPING_PER_ROOM_MAX, TypingService } from '#services/typing/typing-service.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import { manualTime } from '#test/harness/manual-time.ts'
import { type RoomFixture, roomFixture, type TestUser } from '#test/rooms/room-fixture.ts'
import { watchSlices } from '../bench/federation/slices.ts'

const COUNT = 100_000
/** Users of another server who were seen in rooms here: those of whom anything is kept. */
const KNOWN = REMOTE_USERS_MAX + 5_000
const FAR = 'far.test' as ServerName
const far = (n: number) => `@u${n}:${FAR}` as UserId
/** Processor time of one turn of the event loop, with collections of garbage and code that isn't compiled yet among it. */
const TURN_MS_MAX = 100
const turns = watchSlices()

let fixture: RoomFixture
let alice: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
})
after(() => fixture[Symbol.asyncDispose]())

const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 2))

/** Does it, and says how long the longest turn was meanwhile. */
async function longestTurn(work: () => Promise<void>): Promise<number> {
  await nextTurn()
  turns()
  await work()
  await nextTurn()
  return turns().cpuMs
}

describe('typing notices', () => {
  const typingAtTime = () => {
    const time = manualTime()
    return { ...time, typing: new TypingService({ ...time, sequence: new EphemeralSequence('e') }) }
  }

  it('of many users in one room leave the newest ones, each of whom waits for one timer', () => {
    const { typing, pending, advance } = typingAtTime()
    for (let n = 0; n < COUNT; n++) typing.start(1 as RoomNid, far(n), 30_000)
    const shown = typing.typingIn(1 as RoomNid)
    assert.deepEqual([shown.length, shown.at(-1)], [TYPING_PER_ROOM_MAX, far(COUNT - 1)])
    assert.equal(pending.size, TYPING_PER_ROOM_MAX)
    advance(30_000)
    assert.deepEqual([typing.typingIn(1 as RoomNid), pending.size, typing.isAnybodyTyping], [[], 0, false])
  })

  it('in many rooms are bounded over all of them', () => {
    const { typing, pending } = typingAtTime()
    for (let n = 0; n < COUNT; n++) typing.start(n as RoomNid, far(n), 30_000)
    assert.equal(pending.size, TYPING_MAX)
    typing.stop(0 as RoomNid, far(0))
    typing.start(COUNT as RoomNid, far(COUNT), 30_000)
    assert.deepEqual(typing.typingIn(COUNT as RoomNid), [far(COUNT)])
    typing.close()
  })
})

describe('presence of another server’s users', () => {
  it('is kept for a bounded number, and holds nobody up', async () => {
    const { store } = fixture
    const time = manualTime()
    for (let from = 0; from < KNOWN; from += 5_000) {
      await store.write(async (tx) => {
        for (let n = from; n < from + 5_000; n++) await tx.users.intern(far(n))
      })
    }
    const errors: unknown[] = []
    const onError = (error: unknown) => errors.push(error)
    const { serverName } = fixture.rooms.context
    const followers = new LogFollowers({ store, serverName, onError, timers: time.timers })
    const presence = new PresenceService({
      store,
      followers,
      ...time,
      sequence: new EphemeralSequence('e'),
      enabled: true,
      onError,
    })
    const longest = await longestTurn(async () => {
      for (let from = 0; from < COUNT; from += PUSH_MAX) {
        const push = Array.from({ length: 2 * PUSH_MAX }, (_, n) => {
          return { user_id: far(from + (n % PUSH_MAX)), presence: 'online', currently_active: true }
        })
        await presence.receive(FAR, { edu_type: 'm.presence', content: { push } })
      }
      await presence.idle()
    })
    assert.equal(presence.size, REMOTE_USERS_MAX)
    assert.ok(longest <= TURN_MS_MAX, `${longest} ms`)
    const silence = await longestTurn(async () => {
      time.advance(SILENT_AFTER_MS)
      while (presence.changedSince(null).length > 0) await nextTurn()
      await presence.idle()
    })
    assert.ok(silence <= TURN_MS_MAX, `${silence} ms`)
    await presence.close()
    assert.deepEqual(errors, [])
  })
})

describe('receipts', () => {
  let roomId: RoomId
  let eventId: EventId
  before(async () => {
    roomId = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat' })
    await fixture.rooms.memberships.join({ userId: far(0), isGuest: false }, roomId)
    eventId = await fixture.send(alice, roomId, 'm.room.message', { body: 'read this' })
  })
  const roomNid = async () => (await fixture.store.read((tx) => tx.rooms.byId(roomId)))!.nid

  it('of another server, many in one EDU, are looked at up to a limit', async () => {
    const receipt = { event_ids: [eventId], data: { ts: 1 } }
    const read = Object.fromEntries(Array.from({ length: COUNT }, (_, n) => [far(n), receipt]))
    const content: JsonObject = { [roomId]: { 'm.read': read } }
    const longest = await longestTurn(() => receiveReceipts(fixture.store, FAR, content))
    assert.ok(longest <= TURN_MS_MAX, `${longest} ms`)
    const room = await roomNid()
    const kept = await fixture.store.read((tx) => tx.receipts.ofRoomBetween(room, alice.userNid, 0, 1e9))
    assert.equal(kept.length, 1, 'of the one who is in the room')
  })

  it('in a room with more than an answer holds are told of up to a limit, the newest and one’s own', async () => {
    const room = await roomNid()
    const put = { roomNid: room, type: 'm.read', threadId: null, eventId, rank: 1, ts: 1 } as const
    await fixture.store.write((tx) => tx.receipts.put({ ...put, userNid: alice.userNid }))
    for (let from = 1; from <= RECEIPTS_PER_ANSWER_MAX; from += 2_000) {
      await fixture.store.write(async (tx) => {
        for (let n = from; n < from + 2_000; n++) {
          await tx.receipts.put({ ...put, userNid: await tx.users.intern(far(n)) })
        }
      })
    }
    let told: JsonObject[] = []
    const longest = await longestTurn(async () => {
      told = await fixture.store.read((tx) => receiptUpdates(tx, room, alice.userNid, { from: 0, to: 1e9 }))
    })
    assert.ok(longest <= TURN_MS_MAX, `${longest} ms`)
    const content = told[0]?.['content'] as Record<string, Record<string, JsonObject>>
    const users = Object.keys(content[eventId]?.['m.read'] ?? {})
    assert.equal(users.length, RECEIPTS_PER_ANSWER_MAX + 1)
    assert.ok(users.includes(alice.userId) && users.includes(far(RECEIPTS_PER_ANSWER_MAX)))
    assert.ok(!users.includes(far(0)), 'the oldest')
  })
})
