/** What is asked for when events cite others that never came. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { EventId, RoomId } from '#core/ids.ts'
import { putOutOfBandMembership } from '#services/federation/membership/out-of-band-memberships.ts'
import type { WireReply } from '#services/federation/transport/transport.ts'
import { type Member, SmallFederation, type User } from '#test/federation/harness/small-federation.ts'

let federation: SmallFederation
let a: Member
let b: Member
let alice: User
let bob: User
let roomId: RoomId
/** Told of each transaction that is kept from b.test; null lets them all pass. */
let swallow: (() => void) | null
let isSilent: boolean
/** Bodies of the requests for missing events. */
let asked: { readonly min_depth: number }[]

const answered = (status: number, body: object): WireReply => {
  return { outcome: 'answered', status, retryAfterMs: null, body: Buffer.from(JSON.stringify(body)) }
}

beforeEach(async () => {
  federation = new SmallFederation()
  swallow = null
  isSilent = false
  asked = []
  federation.intercept = (from, { uri, body }) => {
    // The sender believes that it was heard.
    if (swallow !== null && from === a.name && uri.includes('/send/')) {
      swallow()
      return answered(200, { pdus: {} })
    }
    if (from !== b.name || !uri.includes('/get_missing_events/')) return null
    asked.push(JSON.parse(String(body)))
    return isSilent ? answered(404, { errcode: 'M_NOT_FOUND', error: 'Nothing' }) : null
  }
  a = await federation.server('a.test')
  b = await federation.server('b.test')
  alice = await a.user('alice')
  bob = await b.user('bob')
  roomId = await alice.createRoom({ preset: 'public_chat' })
  for (let i = 0; i < 5; i++) await alice.say(roomId, `before ${i}`)
  assert.equal((await bob.join(roomId, a)).status, 200)
  await b.services.federation.memberships.partialStates.idle()
})
afterEach(async () => {
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

const has = (eventId: EventId) => b.store.read((tx) => tx.events.byId(eventId))

async function arrives(eventId: EventId) {
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = b.store.onCommit(() => resolve())
    const row = await has(eventId)
    if (row === null) await promise
    end()
    if (row !== null) return row
  }
}

/** A message that b.test doesn't get, and one after it. */
async function hole(): Promise<readonly [lost: EventId, last: EventId]> {
  const { promise, resolve } = Promise.withResolvers<void>()
  swallow = resolve
  const lost = await alice.say(roomId, 'lost')
  await promise
  swallow = null
  return [lost, await alice.say(roomId, 'last')]
}

describe('an event that cites one that never came', () => {
  it('brings it, but nothing from before the join', async () => {
    const join = (await b.state(roomId, 'm.room.member', bob.userId))!
    const [lost, last] = await hole()
    await arrives(last)
    assert.notEqual((await has(lost))?.position ?? null, null)
    assert.deepEqual(
      asked.map(({ min_depth }) => min_depth),
      [join.depth],
    )
  })

  it('is judged by the state after that one where it can not be had', async () => {
    isSilent = true
    const [lost, last] = await hole()
    const row = await arrives(last)
    assert.deepEqual([row.rejected, row.softFailed], [false, false])
    const states = federation.asked.filter(({ from, line }) => from === b.name && line.includes('/state_ids/'))
    assert.ok(states.at(-1)?.line.endsWith(encodeURIComponent(lost)))
  })
})

describe('what comes late', () => {
  it('is not judged in a room that all have left', async () => {
    assert.equal((await bob.room(roomId, 'leave')).status, 200)
    const last = await alice.say(roomId, 'to myself')
    const event = (await a.store.read((tx) => tx.events.byId(last)))!.event
    const judgements = await b.services.federation.inbound.received.accept(roomId, [{ event }])
    assert.equal(judgements.get(last)?.outcome, 'drop')
    assert.equal(await has(last), null)
  })

  it('ends no membership that the room itself has given meanwhile', async () => {
    assert.equal((await bob.room(roomId, 'leave')).status, 200)
    const leave = (await b.state(roomId, 'm.room.member', bob.userId))!
    assert.equal((await bob.join(roomId, a)).status, 200)
    await b.store.write((tx) => putOutOfBandMembership(tx, leave, []))
    const membership = await b.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      return (await tx.memberships.one((await tx.users.nid(bob.userId))!, room!.nid))?.membership
    })
    assert.equal(membership, 'join')
  })
})

describe('a user whose membership falls to the end of a fork', () => {
  it('is told that they left, without the older event that stands then', async () => {
    const carol = await b.user('carol')
    for (const step of ['join', 'leave', 'join'] as const) assert.equal((await carol.room(roomId, step)).status, 200)
    const { next_batch } = await carol.sync()
    await b.store.write(async (tx) => {
      const room = (await tx.rooms.byId(roomId))!
      const user = (await tx.users.nid(carol.userId))!
      const [, leave] = await tx.memberships.history(user, room.nid)
      const currentState = (await tx.events.byNids([leave!.eventNid])).get(leave!.eventNid)!.stateAfter
      await tx.events.append({ roomNid: room.nid, expectedHeadSeq: room.headSeq, events: [], currentState })
    })
    const { rooms } = (await carol.get(`/sync?since=${next_batch}`)).body
    assert.deepEqual(rooms.leave[roomId].timeline.events, [])
  })
})
