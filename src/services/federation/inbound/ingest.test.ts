import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import {
  ALICE,
  forged,
  HERE,
  honest,
  type InboundFixture,
  inboundFixture,
  REMY,
  roomHere,
  signerOf,
  THERE,
} from '#test/federation/harness/inbound-fixture.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

const row = (event: Pick<Event, 'eventId'>) => fixture.rooms.store.read((tx) => tx.events.byId(event.eventId))
const stateId = async (room: RemoteRoom, type: string, stateKey = '') =>
  (await fixture.rooms.state(room.roomId, type, stateKey))?.eventId ?? null

/** How a pushed event ended. */
async function outcomeOf(event: Event): Promise<'accepted' | 'soft-failed' | 'rejected' | 'absent'> {
  const found = await row(event)
  if (found === null || found.rank === null) return 'absent'
  return found.rejected ? 'rejected' : found.softFailed ? 'soft-failed' : 'accepted'
}

describe('an event from elsewhere', () => {
  for (const version of ['1', '2', '3', '6', '10', '11', '12']) {
    it(`enters a room of version ${version}, message and state`, async () => {
      const room = await fixture.joinedRoom(version)
      const message = room.send({ body: 'hello' })
      const topic = room.put('m.room.topic', { topic: 'new' })
      const answers = await fixture.push(message, topic)
      assert.deepEqual([...answers.values()], [{}, {}])
      assert.equal(await outcomeOf(message), 'accepted')
      assert.equal(await stateId(room, 'm.room.topic'), topic.eventId)
      assert.deepEqual((await roomHere(fixture.rooms, room.roomId)).extremities, [topic.eventId])
      const sent = await fixture.rooms.send(await fixture.rooms.user('alice'), room.roomId, 'm.room.message', {})
      assert.deepEqual((await fixture.rooms.row(sent)).event.prevEvents, [topic.eventId])
    })
  }

  it('is in the room once, however often it comes', async () => {
    const room = await fixture.joinedRoom()
    const message = room.send({ body: 'once' })
    const answers = await Promise.all([fixture.push(message), fixture.push(message, message), fixture.push(message)])
    for (const answer of answers) assert.deepEqual(answer.get(message.eventId), {})
    const timeline = await fixture.rooms.timeline(room.roomId)
    assert.equal(timeline.filter(({ eventId }) => eventId === message.eventId).length, 1)
  })

  it('S41: that is bad spoils none of the others', async () => {
    const room = await fixture.joinedRoom()
    const good = [room.send({ body: '1' }), room.send({ body: '2' })]
    const tip = good[1] as Event
    const unsigned = forged(room.event({ content: { body: 'x' } }), {
      signatures: { [THERE]: { 'ed25519:a': 'AAAA' } },
    })
    const refused = room.event({ sender: `@nobody:${THERE}` as UserId, prevEvents: [tip] })
    const last = room.send({ body: '3' })
    const pdus = [unsigned.json, { room_id: room.roomId }, ...good.map(({ json }) => json), refused.json, last.json]
    const answers = await fixture.ingest.receive(THERE, pdus)
    for (const event of [...good, last]) assert.deepEqual(answers.get(event.eventId), {})
    assert.match(answers.get(refused.eventId)?.error ?? '', /sender is not in the room/)
    assert.match(answers.get(unsigned.eventId)?.error ?? '', /Not signed by there.test/)
    assert.deepEqual(await Promise.all([unsigned, refused, last].map(outcomeOf)), ['absent', 'rejected', 'accepted'])
  })

  it('S6: needs the signature of its sender, by a key of that server', async () => {
    const room = await fixture.joinedRoom()
    const other = `@mallory:other.test` as UserId
    await fixture.push(room.member(other, 'join', other, signerOf('other.test')))
    const wrong = room.event({ sender: other, signer: signerOf(THERE) })
    const right = room.event({ sender: other, signer: signerOf('other.test') })
    await fixture.push(wrong, right)
    assert.deepEqual([await outcomeOf(wrong), await outcomeOf(right)], ['absent', 'accepted'])
  })

  it('S6: is dropped where the access control list denies its sender or who sends it', async () => {
    const room = await fixture.joinedRoom()
    const other = `@mallory:other.test` as UserId
    const join = room.member(other, 'join', other, signerOf('other.test'))
    await fixture.push(join, room.put('m.room.server_acl', { allow: ['*'], deny: ['other.test'] }))
    const denied = room.event({ sender: other, signer: signerOf('other.test') })
    const allowed = room.event({ content: { body: 'fine' } })
    const answers = await fixture.push(denied, allowed)
    assert.match(answers.get(denied.eventId)?.error ?? '', /not allowed/)
    assert.deepEqual([await outcomeOf(denied), await outcomeOf(allowed)], ['absent', 'accepted'])
    const relayed = room.event({ content: { body: 'relayed' } })
    await fixture.ingest.receive('other.test' as never, [relayed.json])
    assert.equal(await outcomeOf(relayed), 'absent')
  })

  it('is redacted where its content hash is wrong, and keeps its id', async () => {
    const room = await fixture.joinedRoom()
    const message = room.send({ body: 'true' })
    await fixture.push(forged(message, { content: { body: 'false' } }))
    assert.deepEqual((await row(message))?.event.content, {})
  })

  it('S10: may not cite events of another room', async () => {
    const room = await fixture.joinedRoom()
    const elsewhere = await fixture.joinedRoom()
    const prev = room.event({ prevEvents: elsewhere.tips })
    const create = elsewhere.stateEvents[0] as Event
    const own = [...room.state.values()].filter(({ type }) => type === 'm.room.power_levels')
    const auth = room.event({ authEvents: [create, ...own, ...room.stateEvents.filter((e) => e.stateKey === REMY)] })
    await fixture.push(prev, auth)
    assert.equal(await outcomeOf(prev), 'absent')
    assert.equal(await outcomeOf(auth), 'rejected')
  })

  it('that makes the room anew is not taken', async () => {
    const room = await fixture.joinedRoom()
    const create = room.event({ type: 'm.room.create', stateKey: '', prevEvents: [], authEvents: [] })
    await fixture.push(create)
    assert.equal(await outcomeOf(create), 'absent')
    assert.notEqual(await stateId(room, 'm.room.create'), create.eventId)
  })

  it('S42: of the greatest depth leaves the order as it is, and the next one can be sent', async () => {
    const room = await fixture.joinedRoom()
    const deep = room.event({ json: { depth: Number.MAX_SAFE_INTEGER } as JsonObject })
    await fixture.push(deep)
    const alice = await fixture.rooms.user('alice')
    const sent = await fixture.rooms.send(alice, room.roomId, 'm.room.message', { body: 'after' })
    assert.equal((await fixture.rooms.row(sent)).event.depth, Number.MAX_SAFE_INTEGER)
    const order = (await fixture.rooms.timeline(room.roomId)).map(({ eventId }) => eventId)
    assert.ok(order.indexOf(deep.eventId) < order.indexOf(sent))
  })

  for (const version of ['1', '5', '6', '11']) {
    it(`S40: whose depth can't be written again is dropped in version ${version}`, async () => {
      const room = await fixture.joinedRoom(version)
      for (const depth of [-1, 1.5, '1', null, 2 ** 53]) {
        const event = forged(room.event({}), { depth } as JsonObject)
        await fixture.push(event)
        assert.equal(await outcomeOf(event), 'absent', `depth ${depth}`)
      }
    })
  }
})

describe('soft failure and rejection', () => {
  /** Bob of the other server is banned; an event of his that stands before the ban comes after it. */
  async function evasion() {
    const room = await fixture.joinedRoom()
    const bob = `@bob:${THERE}` as UserId
    const join = room.member(bob, 'join')
    const late = room.event({ sender: bob, content: { body: 'evades' } })
    const ban = room.member(bob, 'ban', REMY)
    await fixture.push(join, ban, late)
    return { room, bob, late, ban }
  }

  it('an event that the current state forbids is kept, and cited by nobody', async () => {
    const { room, late, ban } = await evasion()
    assert.equal(await outcomeOf(late), 'soft-failed')
    assert.deepEqual((await roomHere(fixture.rooms, room.roomId)).extremities, [ban.eventId])
    const shown = await fixture.rooms.timeline(room.roomId)
    assert.ok(!shown.some(({ eventId }) => eventId === late.eventId))
  })

  it('soft-failed state takes part once another event cites it', async () => {
    const room = await fixture.joinedRoom()
    const bob = `@bob:${THERE}` as UserId
    await fixture.push(room.member(bob, 'join'), room.put('m.room.power_levels', { users: { [REMY]: 100, [bob]: 50 } }))
    const topic = room.event({ type: 'm.room.topic', stateKey: '', sender: bob, content: { topic: 'late' } })
    const demotion = room.put('m.room.power_levels', { users: { [REMY]: 100 } })
    await fixture.push(demotion, topic)
    assert.equal(await outcomeOf(topic), 'soft-failed')
    assert.equal(await stateId(room, 'm.room.topic'), null)
    const after = room.event({ prevEvents: [topic] })
    await fixture.push(after)
    const { stateBefore } = (await row(after))!
    const nid = await fixture.rooms.store.read((tx) => tx.state.get(stateBefore, 'm.room.topic', ''))
    assert.equal(nid, (await row(topic))?.nid)
    // Resolution decides: it was sent by somebody who had been demoted.
    assert.equal(await stateId(room, 'm.room.topic'), null)
    const here = await roomHere(fixture.rooms, room.roomId)
    assert.deepEqual(here.extremities.toSorted(), [demotion.eventId, after.eventId].toSorted())
  })

  it('S11: a rejected event is never state, and what cites it as authority is rejected', async () => {
    const room = await fixture.joinedRoom()
    const bob = `@bob:${THERE}` as UserId
    await fixture.push(room.member(bob, 'join'))
    const grab = room.event({
      type: 'm.room.power_levels',
      stateKey: '',
      sender: bob,
      content: { users: { [bob]: 100 } },
    })
    const members = room.stateEvents.filter(({ type, stateKey }) => type === 'm.room.create' || stateKey === bob)
    const use = room.event({
      type: 'm.room.topic',
      stateKey: '',
      sender: bob,
      authEvents: [...members, grab],
      prevEvents: [grab],
    })
    await fixture.push(grab, use)
    assert.deepEqual(await Promise.all([grab, use].map(outcomeOf)), ['rejected', 'rejected'])
    assert.notEqual(await stateId(room, 'm.room.power_levels'), grab.eventId)
    const after = room.event({ prevEvents: [grab] })
    await fixture.push(after)
    assert.equal(await outcomeOf(after), 'accepted')
  })
})

describe('forks', () => {
  for (const version of ['1', '2', '6', '11', '12']) {
    it(`are resolved as soon as both branches are here, and joined by the next event (version ${version})`, async () => {
      const room = await fixture.joinedRoom(version)
      const tips = room.tips
      const topic = room.event({ type: 'm.room.topic', stateKey: '', content: { topic: 'left' } })
      const name = room.event({ type: 'm.room.name', stateKey: '', content: { name: 'right' }, prevEvents: tips })
      const rules = room.event({
        type: 'm.room.join_rules',
        stateKey: '',
        content: { join_rule: 'invite' },
        prevEvents: tips,
      })
      await fixture.push(topic, name, rules)
      for (const event of [topic, name, rules]) assert.equal(await stateId(room, event.type), event.eventId)
      const here = await roomHere(fixture.rooms, room.roomId)
      assert.deepEqual(here.extremities.toSorted(), [topic, name, rules].map((e) => e.eventId).toSorted())
      const alice = await fixture.rooms.user('alice')
      const sent = await fixture.rooms.send(alice, room.roomId, 'm.room.message', {})
      assert.equal((await fixture.rooms.row(sent)).event.prevEvents.length, 3)
    })
  }

  it('of more than ten branches are joined by an event of a local member', async () => {
    const room = await fixture.joinedRoom()
    const tips = room.tips
    const branches = Array.from({ length: 23 }, (_, i) =>
      room.event({ type: `org.test.${i}`, stateKey: '', content: { i }, prevEvents: tips }),
    )
    await fixture.push(...branches)
    const { extremities } = await roomHere(fixture.rooms, room.roomId)
    assert.ok(extremities.length <= 10, `${extremities.length}`)
    for (const event of branches) assert.equal(await stateId(room, event.type), event.eventId)
    const dummy = (await fixture.rooms.timeline(room.roomId)).filter(({ type }) => type === 'org.matrix.dummy_event')
    assert.ok(dummy.length > 0 && dummy.every(({ sender }) => sender === ALICE))
  })
})

describe('what an event lacks', () => {
  it('is asked for, and the event is judged in its place', async () => {
    const room = await fixture.joinedRoom()
    const missed = Array.from({ length: 30 }, (_, i) => room.send({ body: `missed ${i}` }))
    const topic = room.put('m.room.topic', { topic: 'missed too' })
    const last = room.send({ body: 'last' })
    fixture.answers = honest(room)
    assert.deepEqual([...(await fixture.push(last)).values()], [{}])
    await fixture.ingest.idle()
    assert.equal(await stateId(room, 'm.room.topic'), topic.eventId)
    const shown = (await fixture.rooms.timeline(room.roomId)).map(({ eventId }) => eventId)
    assert.deepEqual(
      shown.slice(-32),
      [...missed, topic, last].map(({ eventId }) => eventId),
    )
    assert.deepEqual((await roomHere(fixture.rooms, room.roomId)).extremities, [last.eventId])
    assert.equal(await fixture.rooms.store.read((tx) => tx.inbound.stagedCount()), 0)
  })

  it('S55: takes at most ten requests of twenty events; then the state is asked for, and a gap stays', async () => {
    const room = await fixture.joinedRoom()
    const missed = Array.from({ length: 260 }, (_, i) => room.send({ body: `${i}` }))
    const topic = room.put('m.room.topic', { topic: 'beyond the gap' })
    const last = room.send({ body: 'last' })
    fixture.answers = honest(room)
    fixture.asked.length = 0
    await fixture.push(last)
    await fixture.ingest.idle()
    const count = (what: string) => fixture.asked.filter((one) => one.startsWith(what)).length
    assert.equal(count('get_missing_events'), 10)
    assert.equal(count('state_ids'), 1)
    assert.equal(await outcomeOf(last), 'accepted')
    assert.equal(await outcomeOf(missed[0] as Event), 'absent')
    assert.equal(await outcomeOf(missed[100] as Event), 'accepted')
    assert.equal(await stateId(room, 'm.room.topic'), topic.eventId)
    const { nid, rankMax } = await roomHere(fixture.rooms, room.roomId)
    const gaps = await fixture.rooms.store.read((tx) => tx.backwardExtremities.below(nid, rankMax, 10))
    assert.ok(gaps.length >= 1)
  })

  it('S15: a state that others tell takes nothing away from the state here', async () => {
    const room = await fixture.joinedRoom()
    const topic = room.put('m.room.topic', { topic: 'stays' })
    await fixture.push(topic)
    const lost = room.event({ content: { body: 'lost' } })
    const liar = room.event({ prevEvents: [lost] })
    const told = room.timeline.filter(
      ({ type, stateKey }) => ['m.room.create', 'm.room.power_levels'].includes(type) || stateKey === REMY,
    )
    fixture.answers = (what) =>
      what === 'state_ids' ? { pdu_ids: told.map((e) => e.eventId), auth_chain_ids: [] } : null
    await fixture.push(liar)
    await fixture.ingest.idle()
    assert.equal(await outcomeOf(liar), 'accepted')
    assert.equal(await stateId(room, 'm.room.topic'), topic.eventId)
    assert.equal((await fixture.rooms.state(room.roomId, 'm.room.member', ALICE))?.content['membership'], 'join')
  })

  it('as state is not done without: a state that is not delivered whole is asked for again', async () => {
    const room = await fixture.joinedRoom()
    const bob = `@bob:${THERE}` as UserId
    const topic = room.put('m.room.topic', { topic: 'lost at first' })
    room.member(bob, 'join')
    const last = room.send({ body: 'last' }, bob)
    const answer = honest(room)
    const isLost = (uri: string) => uri.includes(encodeURIComponent(topic.eventId))
    fixture.answers = (what, request) =>
      what === 'get_missing_events' || what === 'state' || isLost(request.uri) ? null : answer(what, request)
    await fixture.push(last)
    await fixture.ingest.idle()
    assert.equal(await outcomeOf(last), 'absent')
    fixture.answers = (what, request) => (what === 'get_missing_events' ? null : answer(what, request))
    fixture.time.advance(60_000)
    await fixture.ingest.idle()
    assert.equal(await outcomeOf(last), 'accepted')
    assert.equal(await stateId(room, 'm.room.topic'), topic.eventId)
    assert.equal(await fixture.rooms.membership(room.roomId, bob), 'join')
  })

  it('S5: events that were asked for are checked like all others', async () => {
    const room = await fixture.joinedRoom()
    const missed = room.send({ body: 'missed' })
    const last = room.send({ body: 'last' })
    const bad = forged(missed, { signatures: { [THERE]: { 'ed25519:a': 'AAAA' } } })
    fixture.answers = (what) => (what === 'get_missing_events' ? { events: [bad.json] } : null)
    await fixture.push(last)
    await fixture.ingest.idle()
    assert.deepEqual([await outcomeOf(missed), await outcomeOf(last)], ['absent', 'absent'])
  })

  it('is asked for again later, and holds up nothing else of the room or of others', async () => {
    const room = await fixture.joinedRoom()
    const tips = room.tips
    const missed = room.send({ body: 'missed' })
    const waiting = room.send({ body: 'waits' })
    fixture.answers = () => null
    assert.deepEqual((await fixture.push(waiting)).get(waiting.eventId), {})
    const other = room.event({ prevEvents: tips, content: { body: 'goes on' } })
    await fixture.push(other)
    await fixture.ingest.idle()
    assert.deepEqual([await outcomeOf(waiting), await outcomeOf(other)], ['absent', 'accepted'])
    fixture.answers = honest(room)
    fixture.time.advance(60_000)
    await fixture.ingest.idle()
    assert.deepEqual([await outcomeOf(missed), await outcomeOf(waiting)], ['accepted', 'accepted'])
  })

  it('may come by itself: then the event is judged again', async () => {
    const room = await fixture.joinedRoom()
    const missed = room.send({ body: 'missed' })
    const waiting = room.send({ body: 'waits' })
    fixture.answers = () => null
    await fixture.push(waiting)
    await fixture.ingest.idle()
    await fixture.push(missed)
    await fixture.ingest.idle()
    assert.equal(await outcomeOf(waiting), 'accepted')
  })

  it('as authority is fetched; what was rejected for lack of it is accepted then', async () => {
    const room = await fixture.joinedRoom()
    const bob = `@bob:${THERE}` as UserId
    const invite = room.member(bob, 'invite', REMY)
    const join = room.member(bob, 'join')
    const { nid } = await roomHere(fixture.rooms, room.roomId)
    const unrejected = fixture.ingest.counters.unrejected
    const kept = await fixture.ingest.outliers.keep(nid, [join])
    assert.equal(kept.get(join.eventId)?.outcome, 'missing')
    assert.equal((await row(join))?.rejected, true)
    const said = room.send({ body: 'by bob' }, bob)
    fixture.answers = honest(room)
    await fixture.push(said)
    await fixture.ingest.idle()
    assert.deepEqual(await Promise.all([invite, join, said].map(outcomeOf)), ['accepted', 'accepted', 'accepted'])
    const message = room.event({ sender: bob, content: { body: 'again' } })
    await fixture.push(message)
    assert.equal(await outcomeOf(message), 'accepted')
    assert.equal(fixture.ingest.counters.unrejected, unrejected + 1)
  })
})

describe('after a restart', () => {
  it('staged events are gone on with', async () => {
    await using second = await inboundFixture()
    const room = await second.joinedRoom()
    const missed = room.send({ body: 'missed' })
    const waiting = room.send({ body: 'waits' })
    await second.rooms.store.write((tx) => tx.inbound.stage(room.roomId, THERE, [JSON.stringify(waiting.json)]))
    second.answers = honest(room)
    await second.ingest.resume()
    await second.ingest.idle()
    const ids = (await second.rooms.timeline(room.roomId)).map(({ eventId }) => eventId)
    assert.deepEqual(ids.slice(-2), [missed.eventId, waiting.eventId])
    assert.equal(HERE, 'here.test')
  })
})
