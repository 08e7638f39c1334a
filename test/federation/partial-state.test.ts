/** Rooms are read and written before their members are known, and are right once they are. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { EventId, RoomId } from '#core/ids.ts'
import {
  type Member,
  type SmallFederation,
  threeServers,
  type User,
} from '#test/federation/harness/small-federation.ts'
import { CryptoDevice } from '#test/harness/crypto-device.ts'

let federation: SmallFederation
let a: Member
let b: Member
let c: Member
let alice: User
let bob: User
let carol: User
let roomId: RoomId
/** Lets b.test have the state that it asks for. */
let release: () => void

beforeEach(async () => {
  ;({ federation, a, b, c, alice, bob, carol } = await threeServers())
  roomId = await alice.createRoom({ preset: 'public_chat', name: 'Hall' })
  assert.equal((await carol.join(roomId, a)).status, 200)
  await c.services.federation.memberships.partialStates.idle()
  const { promise, resolve } = Promise.withResolvers<void>()
  release = resolve
  federation.intercept = async (from, { uri }) => {
    if (from === b.name && /\/v1\/state(_ids)?\//.test(uri)) await promise
    return null
  }
  assert.equal((await bob.join(roomId, a)).status, 200)
})
afterEach(async () => {
  release()
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

const partial = async () => (await b.store.read((tx) => tx.rooms.byId(roomId)))?.partial ?? null
/** What b.test knows of carol in the state after an event. */
const memberAfter = (eventId: EventId) =>
  b.store.read(async (tx) => {
    const row = await tx.events.byId(eventId)
    const nid = await tx.state.get(row!.stateAfter, 'm.room.member', carol.userId)
    return nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)?.event.content['membership']
  })
const complete = () => b.services.federation.memberships.partialStates.idle()

describe('a room with partial state', () => {
  it('is read and written at once', async () => {
    assert.notEqual(await partial(), null)
    assert.equal(await b.membership(roomId, carol.userId), undefined)
    const eventId = await bob.say(roomId, 'hello')
    const { timeline } = (await bob.sync()).rooms.join[roomId]
    assert.equal(timeline.events.at(-1).event_id, eventId)
    assert.equal((await b.state(roomId, 'm.room.name'))?.content['name'], 'Hall')
  })

  it('takes messages of members who are not known yet', async () => {
    const eventId = await carol.say(roomId, 'from afar')
    await b.until(async () => (await b.store.read((tx) => tx.events.byId(eventId))) !== null)
    const row = await b.store.read((tx) => tx.events.byId(eventId))
    assert.deepEqual([row?.rejected, row?.softFailed], [false, false])
  })

  it('takes what somebody said before they heard that they had been removed; not once the state has come', async () => {
    const { intercept } = federation
    const gate = Promise.withResolvers<void>()
    federation.intercept = async (from, request) => {
      if (from === c.name && request.uri.includes('/send/')) await gate.promise
      return intercept(from, request)
    }
    const late = await carol.say(roomId, 'am I still here?')
    assert.equal((await alice.room(roomId, 'kick', { user_id: carol.userId })).status, 200)
    await b.sees(roomId, carol.userId, 'leave')
    gate.resolve()
    await b.until(async () => (await b.store.read((tx) => tx.events.byId(late))) !== null)
    const softFailed = async () => (await b.store.read((tx) => tx.events.byId(late)))?.softFailed
    assert.equal(await softFailed(), false)
    release()
    await complete()
    assert.equal(await softFailed(), true)
  })

  it('shows on a join by invite what it replaces, before the members are known as after', async () => {
    const direct = await alice.createRoom({ preset: 'trusted_private_chat', is_direct: true, invite: [bob.userId] })
    assert.equal((await bob.join(direct, a)).status, 200)
    const own = ({ state_key }: { state_key?: string }) => state_key === bob.userId
    const { timeline } = (await bob.sync()).rooms.join[direct]
    const { unsigned, event_id: eventId } = timeline.events.find(own)
    assert.deepEqual([unsigned.prev_content?.membership, unsigned.prev_content?.is_direct], ['invite', true])
    assert.notEqual((await b.store.read((tx) => tx.rooms.byId(direct)))?.partial ?? null, null)
    release()
    await complete()
    const path = `/rooms/${encodeURIComponent(direct)}/event/${encodeURIComponent(eventId)}`
    const { age: _, ...later } = (await bob.get(path)).body.unsigned
    const { age: __, ...before } = unsigned
    assert.deepEqual(later, before)
  })

  it('lets those wait who ask for a member that is not known yet', async () => {
    const member = (userId: string) =>
      bob.get(`/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(userId)}`)
    assert.equal((await member(bob.userId)).body.membership, 'join')
    const waiting = [member(carol.userId), member('@nobody:c.test')]
    release()
    const [known, unknown] = await Promise.all(waiting)
    assert.deepEqual([known?.body.membership, unknown?.status], ['join', 404])
  })

  it('is whole, with what happened meanwhile, when the state has come', async () => {
    await bob.say(roomId, 'hello')
    assert.equal((await bob.setState(roomId, 'm.room.topic', { topic: 'not mine to set' })).status, 403)
    release()
    await complete()
    assert.equal(await partial(), null)
    for (const user of [alice, bob, carol]) assert.equal(await b.membership(roomId, user.userId), 'join')
    const after = await bob.say(roomId, 'still here')
    const timeline = await bob.get(`/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=3`)
    assert.equal(timeline.body.chunk[0].event_id, after)
    assert.equal(timeline.body.chunk[1].content.body, 'hello')
  })

  it('tells whose devices are to be asked for as soon as its members are known', async () => {
    const before = (await bob.sync()).next_batch
    const early = (await bob.get(`/sync?since=${before}`)).body
    assert.ok(!early.device_lists.changed.includes(carol.userId))
    release()
    await complete()
    const { device_lists: lists } = (await bob.get(`/sync?since=${early.next_batch}`)).body
    assert.ok(lists.changed.includes(carol.userId))
    assert.deepEqual(lists.left, [])
    const keys = new CryptoDevice({ userId: carol.userId, deviceId: 'DEVICE' }).deviceKeys()
    assert.equal((await carol.post('/keys/upload', { device_keys: keys })).status, 200)
    const { body } = await bob.post('/keys/query', { device_keys: { [carol.userId]: [] } })
    assert.deepEqual(body.device_keys[carol.userId], { DEVICE: keys })
  })

  it('goes on being completed after a restart', async () => {
    await bob.say(roomId, 'hello')
    const stopped = b.stop()
    release()
    await stopped
    await b.start()
    await complete()
    assert.equal(await partial(), null)
    assert.equal(await b.membership(roomId, carol.userId), 'join')
  })

  it('gives its list of members when that is whole', async () => {
    const asked = bob.get(`/rooms/${encodeURIComponent(roomId)}/joined_members`)
    release()
    assert.deepEqual(Object.keys((await asked).body.joined).sort(), [alice, bob, carol].map((u) => u.userId).sort())
  })

  it('lets further users of this server in by way of servers that know whether they are banned', async () => {
    const [ben, bea] = [await b.user('ben'), await b.user('bea')]
    assert.equal((await alice.room(roomId, 'ban', { user_id: bea.userId })).status, 200)
    // One that hasn't heard of the ban yet would let her in.
    await c.sees(roomId, bea.userId, 'ban')
    const refused = await bea.join(roomId)
    assert.deepEqual([refused.status, refused.body.errcode], [403, 'M_FORBIDDEN'])
    assert.equal((await ben.join(roomId)).status, 200)
    assert.equal(await a.membership(roomId, ben.userId), 'join')
    release()
    await complete()
    assert.equal(await b.membership(roomId, ben.userId), 'join')
    assert.equal(await b.membership(roomId, bea.userId), 'ban')
  })

  it('lets users of this server invite each other; who turns out to be banned is not invited', async () => {
    const [ben, bea] = [await b.user('ben'), await b.user('bea')]
    const other = await alice.createRoom({ preset: 'public_chat', power_level_content_override: { invite: 0 } })
    assert.equal((await alice.room(other, 'ban', { user_id: bea.userId })).status, 200)
    assert.equal((await bob.join(other, a)).status, 200)
    assert.notEqual((await b.store.read((tx) => tx.rooms.byId(other)))?.partial ?? null, null)
    assert.equal((await bob.room(other, 'invite', { user_id: ben.userId })).status, 200)
    assert.ok(Object.hasOwn((await ben.sync()).rooms.invite, other))
    await bob.room(other, 'invite', { user_id: bea.userId })
    release()
    await complete()
    assert.equal(await b.membership(other, ben.userId), 'invite')
    await a.sees(other, ben.userId, 'invite')
    assert.equal(await b.membership(other, bea.userId), 'ban')
    assert.equal(await a.membership(other, bea.userId), 'ban')
    assert.deepEqual((await bea.sync()).rooms?.invite ?? {}, {})
    assert.equal((await ben.join(other)).status, 200)
    assert.equal((await bea.join(other)).status, 403)
  })

  it('is not for others to join by way of this server', async () => {
    const dave = await c.user('dave')
    assert.equal((await carol.room(roomId, 'leave')).status, 200)
    a.hide()
    const reply = await dave.join(roomId, b)
    assert.equal(reply.status, 404, JSON.stringify(reply.body))
    a.show()
    release()
    await complete()
    assert.equal((await dave.join(roomId, b)).status, 200)
  })

  it('is made whole after all have left, too', async () => {
    const join = (await b.state(roomId, 'm.room.member', bob.userId))!.eventId
    assert.equal((await bob.room(roomId, 'leave')).status, 200)
    release()
    await complete()
    assert.equal(await partial(), null)
    assert.equal(await memberAfter(join), 'join')
  })

  it('is made whole together with a stay that ended before it was', async () => {
    const join = (await b.state(roomId, 'm.room.member', bob.userId))!.eventId
    assert.equal((await bob.room(roomId, 'leave')).status, 200)
    assert.equal((await bob.join(roomId, a)).status, 200)
    assert.deepEqual((await partial())?.earlierJoins, [join])
    assert.equal(await memberAfter(join), undefined)
    release()
    await complete()
    assert.equal(await partial(), null)
    assert.equal(await memberAfter(join), 'join')
    for (const user of [alice, bob, carol]) assert.equal(await b.membership(roomId, user.userId), 'join')
  })
})
