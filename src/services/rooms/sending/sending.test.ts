import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { EventId, RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type RoomFixture, roomFixture, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
let roomId: RoomId
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
  roomId = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat', room_version: '11' })
  await fixture.rooms.memberships.join(bob, roomId)
})
after(() => fixture[Symbol.asyncDispose]())

const text = (body: string): JsonObject => ({ msgtype: 'm.text', body })
const key = ({ userNid }: TestUser, deviceId: string, txnId: string) => ({ userNid, deviceId, txnId })
const bodies = async () => (await fixture.timeline(roomId)).map(({ content }) => content['body'])

describe('T12: transaction ids', () => {
  it('make one event of 100 parallel requests, of later ones and of one after a restart', async () => {
    const send = () => fixture.send(alice, roomId, 'm.room.message', text('once'), key(alice, 'A', 't1'))
    const ids = new Set(await Promise.all(Array.from({ length: 100 }, send)))
    ids.add(await send())
    await fixture.restart()
    ids.add(await send())
    assert.equal(ids.size, 1)
    assert.equal((await bodies()).filter((body) => body === 'once').length, 1)
  })

  it('are each device’s and each user’s own', async () => {
    const ids = await Promise.all([
      fixture.send(alice, roomId, 'm.room.message', text('a'), key(alice, 'A', 't2')),
      fixture.send(alice, roomId, 'm.room.message', text('b'), key(alice, 'B', 't2')),
      fixture.send(bob, roomId, 'm.room.message', text('c'), key(bob, 'A', 't2')),
    ])
    assert.equal(new Set(ids).size, 3)
  })

  it('are each endpoint’s own: the type of an event, and what is redacted, are parts of the path', async () => {
    const transaction = key(alice, 'A', 't7')
    const one = await fixture.send(alice, roomId, 'm.room.message', text('x'), transaction)
    const other = await fixture.send(alice, roomId, 'm.room.message', text('y'))
    const requests = [
      () => fixture.send(alice, roomId, 'org.test', {}, transaction),
      () => fixture.send(alice, roomId, 'm.room.redaction', { redacts: one }, transaction),
      () => fixture.send(alice, roomId, 'm.room.redaction', { redacts: other }, transaction),
    ]
    const first = await Promise.all(requests.map((request) => request()))
    assert.equal(new Set([one, other, ...first]).size, 5)
    assert.deepEqual(await Promise.all(requests.map((request) => request())), first)
    await fixture.restart()
    assert.deepEqual(await Promise.all(requests.map((request) => request())), first)
    assert.equal(await fixture.send(alice, roomId, 'm.room.message', text('x'), transaction), one)
  })

  it('are told apart also when they come together', async () => {
    const transaction = key(alice, 'A', 't8')
    const types = ['org.test.a', 'org.test.b', 'org.test.a', 'org.test.c']
    const ids = await Promise.all(types.map((type) => fixture.send(alice, roomId, type, {}, transaction)))
    assert.equal(ids[0], ids[2])
    assert.equal(new Set(ids).size, 3)
  })

  it('do not hold up the other events of their batch', async () => {
    const first = await fixture.send(alice, roomId, 'm.room.message', text('first'), key(alice, 'A', 't3'))
    await fixture.restart()
    const [again, ...others] = await Promise.all([
      fixture.send(alice, roomId, 'm.room.message', text('first'), key(alice, 'A', 't3')),
      fixture.send(alice, roomId, 'm.room.message', text('second'), key(alice, 'A', 't4')),
      fixture.send(bob, roomId, 'm.room.message', text('third')),
    ])
    assert.equal(again, first)
    assert.equal(new Set(others).size, 2)
    assert.deepEqual((await bodies()).slice(-3), ['first', 'second', 'third'])
  })

  it('give the same answer to somebody who has left since', async () => {
    const carol = await fixture.user('carol')
    await fixture.rooms.memberships.join(carol, roomId)
    const send = () => fixture.send(carol, roomId, 'm.room.message', text('bye'), key(carol, 'C', 't5'))
    const first = await send()
    await fixture.rooms.memberships.leave(carol, roomId)
    assert.equal(await send(), first)
    const other = fixture.send(carol, roomId, 'm.room.message', text('more'), key(carol, 'C', 't6'))
    await assert.rejects(other, { errcode: 'M_FORBIDDEN' })
  })
})

describe('sending', () => {
  it('keeps the order of one sender, and drops only what is refused', async () => {
    const wanted = Array.from({ length: 120 }, (_, index) => `m${index}`)
    const results = await Promise.allSettled(
      wanted.map((body, index) =>
        index % 10 === 0
          ? fixture.setState(bob, roomId, 'm.room.topic', { topic: body })
          : fixture.send(bob, roomId, 'm.room.message', text(body)),
      ),
    )
    const refused = results.flatMap((result, index) => (result.status === 'rejected' ? [index] : []))
    assert.deepEqual(
      refused,
      wanted.flatMap((_, index) => (index % 10 === 0 ? [index] : [])),
    )
    const kept = wanted.filter((_, index) => index % 10 !== 0)
    assert.deepEqual((await bodies()).slice(-kept.length), kept)
  })

  it('chains events by prev_events and depth', async () => {
    await Promise.all(['x', 'y', 'z'].map((body) => fixture.send(bob, roomId, 'm.room.message', text(body))))
    const [x, y, z] = (await fixture.timeline(roomId)).slice(-3)
    assert.deepEqual(y?.prevEvents, [x?.eventId])
    assert.deepEqual(z?.prevEvents, [y?.eventId])
    assert.equal(z?.depth, (x?.depth ?? 0) + 2)
    assert.equal(z?.originServerTs, fixture.clock.now)
  })

  const refused: readonly (readonly [what: string, type: string, content: JsonObject, errcode: string])[] = [
    ['an event that is too large', 'm.room.message', text('x'.repeat(65_536)), 'M_TOO_LARGE'],
    ['a type that is too long', 't'.repeat(256), {}, 'M_TOO_LARGE'],
    ['a type of too many bytes', 'é'.repeat(128), {}, 'M_TOO_LARGE'],
    ['a number with a fraction', 'm.room.message', { n: 1.1 }, 'M_BAD_JSON'],
    ['a number that is too large', 'm.room.message', { n: 2 ** 53 }, 'M_BAD_JSON'],
    ['a member event', 'm.room.member', { membership: 'join' }, 'M_FORBIDDEN'],
    ['a redaction of nothing', 'm.room.redaction', {}, 'M_MISSING_PARAM'],
    ['a redaction of a number', 'm.room.redaction', { redacts: 5 }, 'M_BAD_JSON'],
  ]
  for (const [what, type, content, errcode] of refused) {
    it(`refuses ${what}`, async () => {
      const before = fixture.store.position()
      await assert.rejects(fixture.send(alice, roomId, type, content), { errcode })
      assert.equal(fixture.store.position(), before)
    })
  }

  it('takes types and state keys of exactly 255 bytes', async () => {
    await fixture.setState(alice, roomId, 't'.repeat(255), {}, 'é'.repeat(127))
    await assert.rejects(fixture.setState(alice, roomId, 't', {}, 'é'.repeat(128)), { errcode: 'M_TOO_LARGE' })
  })

  it('names the rule that refuses', async () => {
    await assert.rejects(fixture.setState(bob, roomId, 'm.room.name', { name: 'x' }), {
      errcode: 'M_FORBIDDEN',
      message: /rule 7 of room version 11/,
    })
  })

  it('makes rooms that do not exist look like those that one is not in', async () => {
    const carol = await fixture.user('stranger')
    const nowhere = '!nowhere:here.test' as RoomId
    await assert.rejects(fixture.send(carol, nowhere, 'm.room.message', {}), { errcode: 'M_FORBIDDEN' })
    await assert.rejects(fixture.send(carol, roomId, 'm.room.message', {}), { errcode: 'M_FORBIDDEN' })
    await assert.rejects(fixture.setState(carol, nowhere, 'm.room.topic', {}), { errcode: 'M_FORBIDDEN' })
    await assert.rejects(fixture.setState(carol, nowhere, 'm.room.member', { membership: 'join' }, carol.userId), {
      errcode: 'M_FORBIDDEN',
    })
  })
})

describe('annotations', () => {
  const annotation = (event_id: EventId, key: string): JsonObject => ({
    'm.relates_to': { rel_type: 'm.annotation', event_id, key },
  })

  it('are taken once of each user, type and key, until they are redacted', async () => {
    const message = await fixture.send(alice, roomId, 'm.room.message', text('like me'))
    const react = (user: TestUser, key: string) => fixture.send(user, roomId, 'm.reaction', annotation(message, key))
    const first = await react(bob, '👍')
    await assert.rejects(react(bob, '👍'), { errcode: 'M_DUPLICATE_ANNOTATION' })
    await react(bob, '👎')
    await react(alice, '👍')
    await fixture.send(bob, roomId, 'm.room.redaction', { redacts: first })
    await react(bob, '👍')
  })

  it('are taken once also when they come together', async () => {
    const message = await fixture.send(alice, roomId, 'm.room.message', text('like me'))
    const reactions = [1, 2, 3].map(() => fixture.send(bob, roomId, 'm.reaction', annotation(message, 'x')))
    const results = await Promise.allSettled(reactions)
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  })
})

describe('state', () => {
  it('stays the same event when the same is sent again', async () => {
    const first = await fixture.setState(alice, roomId, 'm.room.topic', { topic: 'a' })
    assert.equal(await fixture.setState(alice, roomId, 'm.room.topic', { topic: 'a' }), first)
    assert.notEqual(await fixture.setState(alice, roomId, 'm.room.topic', { topic: 'b' }), first)
    assert.notEqual(await fixture.setState(alice, roomId, 'm.room.topic', { topic: 'a' }), first)
  })

  it('is refused to somebody who has left, also where it would stay the same', async () => {
    const dora = await fixture.user('dora')
    await fixture.rooms.memberships.join(dora, roomId)
    const levels = { users: { [alice.userId]: 100, [dora.userId]: 50 } }
    await fixture.setState(alice, roomId, 'm.room.power_levels', levels)
    const topic = () => fixture.setState(dora, roomId, 'm.room.topic', { topic: 'by dora' })
    const first = await topic()
    const before = fixture.store.position()
    assert.equal(await topic(), first)
    assert.equal(fixture.store.position(), before, 'nothing is written')
    await fixture.rooms.memberships.leave(dora, roomId)
    await assert.rejects(topic(), { errcode: 'M_FORBIDDEN' })
  })

  const refused: readonly (readonly [type: string, content: JsonObject, errcode: string, stateKey?: string])[] = [
    ['m.room.create', {}, 'M_FORBIDDEN'],
    ['m.room.power_levels', { ban: '50' }, 'M_BAD_JSON'],
    ['m.room.power_levels', { ban: 1.5 }, 'M_BAD_JSON'],
    ['m.room.power_levels', { users: { alice: 100 } }, 'M_BAD_JSON'],
    ['m.room.power_levels', { users: [] }, 'M_BAD_JSON'],
    ['m.room.power_levels', { notifications: null }, 'M_BAD_JSON'],
    ['m.room.member', { membership: 'join' }, 'M_BAD_JSON', 'nobody'],
    ['m.room.member', { membership: 5 }, 'M_BAD_JSON', '@alice:here.test'],
    ['m.room.member', { membership: 'dance' }, 'M_FORBIDDEN', '@alice:here.test'],
    ['m.room.canonical_alias', { alias: 'no alias' }, 'M_INVALID_PARAM'],
    ['m.room.canonical_alias', { alt_aliases: [5] }, 'M_INVALID_PARAM'],
    ['m.room.canonical_alias', { alias: '#unknown:here.test' }, 'M_BAD_ALIAS'],
    ['m.room.canonical_alias', { alias: '#unknown:elsewhere.test' }, 'M_BAD_ALIAS'],
    ['m.room.server_acl', { allow: ['elsewhere.test'] }, 'M_INVALID_PARAM'],
    ['org.test', {}, 'M_FORBIDDEN', '@bob:here.test'],
  ]
  for (const [type, content, errcode, stateKey] of refused) {
    it(`refuses ${type} ${JSON.stringify(content)} with ${errcode}`, async () => {
      const before = fixture.store.position()
      await assert.rejects(fixture.setState(alice, roomId, type, content, stateKey), { errcode })
      assert.equal(fixture.store.position(), before)
    })
  }

  it('tells what nobody may send from what this user may not', async () => {
    const room = await fixture.rooms.creation.create(alice.userId, { room_version: '12', preset: 'public_chat' })
    await fixture.rooms.memberships.join(bob, room)
    const levels = (await fixture.state(room, 'm.room.power_levels'))?.content ?? {}
    const users = { [alice.userId]: 100 }
    await assert.rejects(fixture.setState(alice, room, 'm.room.power_levels', { ...levels, users }), {
      errcode: 'M_BAD_JSON',
    })
    await assert.rejects(fixture.setState(bob, room, 'm.room.power_levels', { ...levels, users }), {
      errcode: 'M_FORBIDDEN',
    })
  })

  it('refuses a tombstone that names its own room', async () => {
    const content = (replacement: string) => ({ body: 'moved', replacement_room: replacement })
    await assert.rejects(fixture.setState(alice, roomId, 'm.room.tombstone', content(roomId)), {
      errcode: 'M_INVALID_PARAM',
    })
    await fixture.setState(alice, roomId, 'm.room.tombstone', content('!other:here.test'))
  })

  it('turns out guests when they are no longer welcome', async () => {
    const guest = await fixture.user('12345', { isGuest: true })
    const request = { preset: 'public_chat', initial_state: [guestAccess('can_join')] } as const
    const room = await fixture.rooms.creation.create(alice.userId, request)
    await fixture.rooms.memberships.join(guest, room)
    await fixture.rooms.memberships.join(bob, room)
    await fixture.setState(alice, room, 'm.room.guest_access', { guest_access: 'forbidden' })
    assert.equal(await fixture.membership(room, guest.userId), 'leave')
    assert.equal(await fixture.membership(room, bob.userId), 'join')
    await assert.rejects(fixture.rooms.memberships.join(guest, room), { errcode: 'M_GUEST_ACCESS_FORBIDDEN' })
  })
})

const guestAccess = (value: string) => ({ type: 'm.room.guest_access', content: { guest_access: value } })
