// The federation sender: what goes to which server, past outages, refusals and restarts (R6, T5).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServerName, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { QUEUE_MAX } from '#services/federation/outbound/destination.ts'
import type { WireReply } from '#services/federation/transport/transport.ts'
import {
  answer,
  DOWN,
  OK,
  RETRY,
  roomWith,
  type SenderWorld,
  say,
  senderWorld,
  userOf,
} from '#test/federation/outbound/sender-world.ts'
import { ALICE, BOB, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const [A, B, C] = ['a.example', 'b.example', 'c.example'] as [ServerName, ServerName, ServerName]

/** What another user's member event becomes by Alice's hand. */
const decide = (world: SenderWorld, room: RoomFixture, user: UserId, membership: string) =>
  room.append(world.store, [room.event({ type: 'm.room.member', stateKey: user, content: { membership } })])

function hanging() {
  const { promise, resolve } = Promise.withResolvers<WireReply>()
  return { reply: () => promise, answer: resolve }
}

describe('events', () => {
  it('of local users go to every other server in the room, in order, and others nowhere', async () => {
    await using world = await senderWorld()
    const [room, other] = [await roomWith(world, A, B), await roomWith(world, C)]
    await say(world, room, '1', '2')
    await room.append(world.store, [
      room.event({ sender: userOf(A), content: { body: 'from elsewhere' } }),
      { event: room.event({ content: { body: 'soft' } }), verdict: 'soft-failed' },
    ])
    await say(world, room, '3')
    await say(world, other, 'c')
    await world.settled()
    assert.deepEqual([world.bodies(A), world.bodies(B), world.bodies(C)], [['1', '2', '3'], ['1', '2', '3'], ['c']])
  })

  it('that remove the last user of a server still go to that server, and nothing after them', async () => {
    for (const membership of ['leave', 'ban']) {
      await using world = await senderWorld()
      const room = await roomWith(world, A, B)
      await decide(world, room, userOf(A), membership)
      await say(world, room, 'after')
      await world.settled()
      const removals = world.peer(A).received.flatMap(({ pdus }) => pdus.filter(({ type }) => type === 'm.room.member'))
      assert.deepEqual(removals.at(-1)?.content, { membership })
      assert.deepEqual([world.bodies(A), world.bodies(B)], [[], ['after']])
    }
  })

  it('that end an invite or a knock go to that server; the invite itself and a ban of a stranger do not', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, B)
    await room.append(world.store, [room.member(userOf(C), 'knock')])
    await decide(world, room, userOf(A), 'invite')
    await decide(world, room, userOf(C), 'leave')
    await decide(world, room, '@stranger:d.example' as UserId, 'ban')
    await world.settled()
    assert.equal(world.peer(A).tries, 0)
    await decide(world, room, userOf(A), 'leave')
    await world.settled()
    const contents = (server: ServerName) =>
      world.peer(server).received.flatMap(({ pdus }) => pdus.map(({ content }) => content as JsonObject))
    assert.deepEqual([contents(A), contents(C)], [[{ membership: 'leave' }], [{ membership: 'leave' }]])
    assert.equal(world.peer('d.example' as ServerName).tries, 0)
  })

  it('of a local user who leaves go to those who stay', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    await room.append(world.store, [room.member(ALICE, 'leave')])
    await world.settled()
    assert.equal(world.peer(A).received.at(-1)?.pdus.at(-1)?.type, 'm.room.member')
  })

  it('come at most fifty a transaction, one transaction at a time', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    const first = hanging()
    world.peer(A).reply = first.reply
    await say(world, room, 'first')
    await world.until(() => world.peer(A).tries > 0)
    const bodies = Array.from({ length: 120 }, (_, i) => `${i}`)
    await say(world, room, ...bodies)
    await world.settled()
    assert.equal(world.peer(A).tries, 1)
    world.peer(A).reply = () => OK
    first.answer(OK)
    await world.settled()
    assert.deepEqual(world.bodies(A).slice(-120), bodies)
    assert.ok(world.peer(A).received.every(({ pdus }) => pdus.length <= 50))
    assert.equal(world.peer(A).underWayMost, 1)
    const ids = world.peer(A).received.map(({ txnId }) => txnId)
    assert.equal(new Set(ids).size, ids.length)
  })

  it('by which the first local user came in through another server are told by that one', async () => {
    await using world = await senderWorld()
    const room = await RoomFixture.create(world.store)
    await room.append(world.store, [
      room.event({ type: 'm.room.create', sender: userOf(A), stateKey: '' }),
      room.member(userOf(A), 'join'),
      room.member(userOf(B), 'join'),
    ])
    await room.append(world.store, [room.member(ALICE, 'join')])
    await world.settled()
    assert.deepEqual([world.peer(A).tries, world.peer(B).tries], [0, 0])
    await room.append(world.store, [room.member(BOB, 'join')])
    await world.settled()
    for (const server of [A, B]) assert.equal(world.peer(server).received.flatMap(({ pdus }) => pdus).length, 1)
  })

  it('of one dead or silent server delay nobody else (T5)', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A, B, C)
    world.peer(A).reply = hanging().reply
    world.peer(C).reply = () => DOWN
    for (const body of ['1', '2', '3']) {
      await say(world, room, body)
      await world.settled()
    }
    assert.deepEqual([world.bodies(A), world.bodies(B), world.bodies(C)], [[], ['1', '2', '3'], []])
    assert.deepEqual([world.peer(A).tries, world.peer(C).tries], [1, 1])
  })
})

describe('many servers', () => {
  it('are served although every third is silent, and those that stay silent hold little', async () => {
    await using world = await senderWorld()
    const servers = Array.from({ length: 450 }, (_, n) => `s${n}.example` as ServerName)
    const silent = servers.filter((_, n) => n % 3 === 0)
    const room = await roomWith(world, ...servers)
    for (const server of silent) world.peer(server).reply = hanging().reply
    await say(world, room, 'x')
    for (let i = 0; i < 3; i++) {
      await world.settled()
      world.time.advance(2_000)
    }
    await world.settled()
    const missing = servers.filter((server) => !silent.includes(server) && world.bodies(server).at(-1) !== 'x')
    assert.deepEqual(missing, [])
    const { destinations, underWay, waiting } = world.sender.numbers()
    assert.deepEqual([destinations, underWay, waiting], [silent.length, silent.length, 0])
  })

  it('of which one is too slow for what happens get the newest of each room later, and hold no more than a bounded queue', async () => {
    await using world = await senderWorld()
    const [room, other] = [await roomWith(world, A, B), await roomWith(world, A)]
    await world.settled()
    const slow = hanging()
    world.peer(A).reply = slow.reply
    await say(world, other, 'other')
    for (let i = 0; i <= QUEUE_MAX; i++) await say(world, room, `${i}`)
    await world.settled()
    const { behind, queuedEvents } = world.sender.numbers()
    assert.deepEqual([behind, queuedEvents], [1, 0])
    world.peer(A).reply = () => OK
    slow.answer(OK)
    await world.settled()
    assert.deepEqual(world.bodies(A), ['other', `${QUEUE_MAX}`])
    assert.equal(world.bodies(B).length, QUEUE_MAX + 1)
    await say(world, room, 'after')
    await world.settled()
    assert.deepEqual(world.bodies(A).slice(2), ['after'])
  })
})

describe('after an outage', () => {
  it('the newest event of each room comes, fifty rooms a transaction, and then everything again', async () => {
    await using world = await senderWorld()
    world.peer(A).reply = () => DOWN
    const rooms: RoomFixture[] = []
    for (let i = 0; i < 60; i++) rooms.push(await roomWith(world, A))
    for (const [i, room] of rooms.entries()) await say(world, room, `old ${i}`, `new ${i}`)
    await world.settled()
    assert.equal(world.peer(A).tries, 1, 'the rest waits for the end of the pause')
    world.peer(A).reply = () => OK
    world.time.advance(RETRY.baseMs)
    await world.settled()
    const bodies = world.bodies(A)
    for (const i of rooms.keys()) assert.ok(bodies.includes(`new ${i}`))
    assert.ok(!bodies.includes('old 59'))
    assert.ok(world.peer(A).received.every(({ pdus }) => pdus.length <= 50))
    await say(world, rooms[0]!, 'again 1', 'again 2')
    await world.settled()
    assert.deepEqual(world.bodies(A).slice(-2), ['again 1', 'again 2'])
    assert.deepEqual(await world.store.read((tx) => tx.outbound.behind(9)), [])
  })

  it('what may have arrived is sent again under the same transaction id', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    const uris: string[] = []
    world.peer(A).reply = ({ uri }) => {
      uris.push(uri)
      return uris.length === 1 ? { outcome: 'timed out' } : OK
    }
    await say(world, room, 'x')
    await world.settled()
    world.time.advance(RETRY.baseMs)
    await world.settled()
    assert.equal(uris.length >= 2, true)
    assert.equal(uris[0], uris[1])
    assert.deepEqual(new Set(world.bodies(A)), new Set(['x']))
  })

  it('it is tried again in growing pauses, or at once when it shows that it is there', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    world.peer(A).reply = () => answer(503)
    await say(world, room, '1')
    await world.settled()
    for (const [pause, tries] of [
      [RETRY.baseMs - 1, 1],
      [1, 2],
      [2 * RETRY.baseMs - 1, 2],
      [1, 3],
    ] as const) {
      world.time.advance(pause)
      await world.settled()
      assert.equal(world.peer(A).tries, tries)
    }
    world.peer(A).reply = () => OK
    world.backOff.reset(A)
    await world.settled()
    assert.deepEqual(world.bodies(A), ['1'])
  })

  it('waits as long as the server asks for', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    world.peer(A).reply = () => answer(429, '{}', 10 * RETRY.baseMs)
    await say(world, room, '1')
    await world.settled()
    world.peer(A).reply = () => OK
    world.time.advance(10 * RETRY.baseMs - 1)
    await world.settled()
    assert.deepEqual(world.bodies(A), [])
    world.time.advance(1)
    await world.settled()
    assert.deepEqual(world.bodies(A), ['1'])
  })

  it('the server that was removed meanwhile hears of that', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A, B)
    world.peer(A).reply = () => DOWN
    await say(world, room, '1')
    await world.settled()
    await decide(world, room, userOf(A), 'ban')
    await say(world, room, '2')
    await world.restart()
    world.peer(A).reply = () => OK
    world.time.advance(RETRY.baseMs)
    await world.settled()
    const events = world.peer(A).received.flatMap(({ pdus }) => pdus)
    assert.deepEqual(events.at(-1)?.content, { membership: 'ban' })
    assert.ok(!world.bodies(A).includes('2'))
  })
})

it('the end leaves no timers behind, whoever is down or back', async () => {
  await using world = await senderWorld()
  const room = await roomWith(world, A, B, C)
  for (const server of [A, B]) world.peer(server).reply = () => DOWN
  world.peer(C).reply = hanging().reply
  await say(world, room, 'x')
  await world.settled()
  world.peer(A).reply = () => OK
  world.backOff.reset(A)
  await world.settled()
  await world.sender.close()
  const own = world.time.pending.size
  await world.presence.close()
  assert.deepEqual([own, world.time.pending.size], [1, 0])
})

describe('a restart (R6)', () => {
  for (const crash of [false, true]) {
    it(`loses nothing that was under way, waiting or missed (${crash ? 'crash' : 'orderly'})`, async () => {
      await using world = await senderWorld()
      const [room, quiet] = [await roomWith(world, A, B), await roomWith(world, B)]
      world.peer(A).reply = hanging().reply
      world.peer(B).reply = () => DOWN
      await say(world, room, '1')
      await say(world, quiet, 'q')
      await world.settled()
      await say(world, room, '2')
      await world.settled()
      await world.restart(crash)
      assert.equal(world.backOff.failing(B)?.failures, 1, 'the pause outlives the process')
      for (const server of [A, B]) world.peer(server).reply = () => OK
      await world.settled()
      assert.deepEqual(world.bodies(A).slice(-2), ['1', '2'])
      assert.deepEqual(world.bodies(B), [])
      world.time.advance(RETRY.baseMs)
      await world.settled()
      assert.deepEqual(new Set(world.bodies(B)), new Set(['q', '2']))
    })
  }

  it('after a checkpoint sends nothing twice', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    await say(world, room, '1')
    await world.settled()
    await world.restart()
    await say(world, room, '2')
    await world.settled()
    assert.deepEqual(world.bodies(A), ['1', '2'])
  })
})

describe('a server that finds fault', () => {
  it('with one item gets the others, and after some tries goes without it', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    await world.settled()
    world.peer(A).reply = ({ body }) => (body?.includes('poison') ? answer(400, '{"errcode":"M_BAD_JSON"}') : OK)
    await say(world, room, '1', 'poison', '2')
    await world.settled()
    assert.deepEqual(world.bodies(A), ['1'])
    for (let i = 0; i < 6; i++) {
      world.time.advance(3_600_000)
      await world.settled()
    }
    await say(world, room, '3')
    await world.settled()
    assert.equal(world.bodies(A).at(-1), '3')
    assert.deepEqual(world.dropped, [[A, 1]])
  })

  it('with all of us is asked ever more seldom', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    await world.settled()
    world.peer(A).reply = () => answer(403, '{"errcode":"M_FORBIDDEN"}')
    const before = world.peer(A).tries
    await say(world, room, '1')
    await world.settled()
    for (let i = 0; i < 24; i++) {
      world.time.advance(3_600_000)
      await world.settled()
    }
    const tries = world.peer(A).tries - before
    assert.ok(tries > 5 && tries < 35, `${tries} tries in a day`)
    world.peer(A).reply = () => OK
    world.time.advance(3_600_000)
    await world.settled()
    assert.deepEqual(world.bodies(A), ['1'])
  })
})

it('an event of another server that was let in here is passed on, past a crash', async () => {
  await using world = await senderWorld()
  const room = await roomWith(world, A, B)
  world.peer(B).reply = hanging().reply
  const { events } = await room.append(world.store, [room.member(userOf(C), 'join')])
  const row = await world.store.read(async (tx) => (await tx.events.byNids([events[0]!.nid])).get(events[0]!.nid)!)
  await world.sender.relay(row)
  await world.settled()
  const joins = (server: ServerName) =>
    world.peer(server).received.flatMap(({ pdus }) => pdus.filter((pdu) => 'sender' in pdu && pdu.sender === userOf(C)))
  assert.equal(joins(A).length, 1)
  await world.restart(true)
  world.peer(B).reply = () => OK
  await world.settled()
  assert.equal(joins(B).length, 1)
  assert.deepEqual(joins(C), [], 'its own server has it')
  assert.deepEqual(await world.store.read((tx) => tx.outbound.behind(9)), [])
})
