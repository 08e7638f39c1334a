import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Event, stateMapKey } from '#core/event/event.ts'
import type { RoomId } from '#core/ids.ts'
import {
  ALICE,
  forged,
  honest,
  type InboundFixture,
  importRoom,
  inboundFixture,
  REMY,
  signerOf,
  signHere,
  THERE,
} from '#test/federation/harness/inbound-fixture.ts'
import { type RemoteDraft, RemoteRoom } from '#test/federation/harness/remote-room.ts'

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

/** A room with some history before the local user's join. */
async function oldRoom(grow: (room: RemoteRoom) => void, version = '11') {
  const room = new RemoteRoom(version, REMY, signerOf(THERE))
  grow(room)
  const before = [...room.stateEvents]
  const join = room.member(ALICE, 'join', ALICE, signHere)
  await importRoom(fixture.rooms, fixture.ingest, before, join)
  fixture.answers = honest(room)
  const history = room.timeline.slice(0, -1)
  return { room, join, history }
}

const jsonOf = (events: readonly Event[]) => events.map(({ json }) => json)
const gapsOf = (roomId: RoomId) =>
  fixture.rooms.store.read(async (tx) => {
    const { nid, rankMax } = (await tx.rooms.byId(roomId))!
    return (await tx.backwardExtremities.below(nid, rankMax, 9)).map(({ missing }) => missing)
  })
const idsOf = (events: readonly Event[]) => events.map(({ eventId }) => eventId)

describe('history from elsewhere', () => {
  for (const version of ['1', '10', '12']) {
    it(`stands before what was here, whole after some rounds, with its states (version ${version})`, async () => {
      const { room, join, history } = await oldRoom((room) => {
        for (let i = 0; i < 10; i++) room.send({ body: `${i}` })
        room.put('m.room.topic', { topic: 'old' })
        for (let i = 0; i < 10; i++) room.send({ body: `later ${i}` })
      }, version)
      const newest = history.slice(-12)
      const position = fixture.rooms.store.position()
      assert.equal(
        (await fixture.ingest.backfilled(room.roomId, THERE, jsonOf(newest).reverse())).placed,
        newest.length,
      )
      const rest = history.slice(0, -12)
      assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, jsonOf(rest))).placed, rest.length)
      assert.deepEqual(idsOf(await fixture.rooms.timeline(room.roomId)), idsOf([...history, join]))
      assert.equal(fixture.rooms.store.position(), position, 'nobody is told')
      const topic = history.find(({ type }) => type === 'm.room.topic') as Event
      const { nid, stateBefore, stateAfter } = await fixture.rooms.row(topic.eventId)
      const topicIn = (state: typeof stateAfter) =>
        fixture.rooms.store.read((tx) => tx.state.get(state, 'm.room.topic', ''))
      assert.deepEqual([await topicIn(stateBefore), await topicIn(stateAfter)], [null, nid])
      const { rankMax } = (await fixture.rooms.store.read((tx) => tx.rooms.byId(room.roomId)))!
      const row = await fixture.rooms.row(join.eventId)
      assert.deepEqual(
        await fixture.rooms.store.read((tx) => tx.backwardExtremities.below(row.roomNid, rankMax, 5)),
        [],
      )
    })
  }

  it('S5: is checked like all other events', async () => {
    const { room, history } = await oldRoom((room) => room.send({ body: 'x' }))
    const bad = forged(history.at(-1) as Event, { signatures: { [THERE]: { 'ed25519:a': 'AAAA' } } })
    assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, [bad.json])).placed, 0)
    assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, [history.at(-1)!.json])).placed, 1)
  })

  it('that fills no gap is not taken', async () => {
    const { room } = await oldRoom((room) => room.send({ body: 'x' }))
    const stray = room.event({ prevEvents: room.timeline.slice(0, 1) })
    assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, [stray.json])).placed, 0)
  })

  it('S49: of rejected events alone still moves the gap', async () => {
    const outsider = `@nobody:${THERE}` as typeof REMY
    const { room, history } = await oldRoom((room) => {
      for (let i = 0; i < 5; i++) room.add(room.event({ sender: outsider, content: { i } }))
    })
    const rejected = history.slice(-5)
    assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, jsonOf(rejected))).placed, 5)
    assert.ok((await fixture.rooms.row(rejected[0]!.eventId)).rejected)
    const rest = history.slice(0, -5)
    assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, jsonOf(rest))).placed, rest.length)
    assert.equal((await fixture.rooms.timeline(room.roomId)).length, rest.length + 1)
  })

  it('is judged by those that authorise it as they prove to be, however they were known before', async () => {
    const ben = `@ben:${THERE}` as typeof REMY
    const { room, history } = await oldRoom((room) => {
      for (const membership of ['join', 'leave', 'join']) room.member(ben, membership)
      room.send({ body: 'back' }, ben)
    })
    const [rejoin, message] = history.slice(-2) as [Event, Event]
    assert.ok((await fixture.rooms.row(rejoin.eventId)).rejected, 'the leave that authorises it is not here')
    assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, jsonOf(history))).placed, history.length)
    for (const { eventId } of [rejoin, message]) assert.equal((await fixture.rooms.row(eventId)).rejected, false)
  })

  it('is put behind what authorises it where what lies between them has its place already', async () => {
    const ben = `@ben:${THERE}` as typeof REMY
    const { room, history } = await oldRoom((room) => {
      const joined = room.member(ben, 'join')
      room.send({ body: 'unplaced' })
      const between = room.send({ body: 'between' })
      const left = room.member(ben, 'leave')
      room.add(room.event({ prevEvents: [joined, left] }))
      room.tips = [...room.tips, between]
    })
    const [joined, , between, left, tip] = history.slice(-5) as [Event, Event, Event, Event, Event]
    assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, [between.json])).placed, 1)
    assert.equal((await fixture.ingest.backfilled(room.roomId, THERE, jsonOf([tip, left, joined]))).placed, 3)
    const given = idsOf(await fixture.rooms.timeline(room.roomId)).filter((id) => id !== between.eventId)
    assert.deepEqual(given.slice(0, 3), idsOf([joined, left, tip]))
  })

  it('is redacted by a redaction that is here already', async () => {
    const { room, history } = await oldRoom((room) => room.send({ body: 'secret' }))
    const secret = history.at(-1) as Event
    const redaction = room.add(room.event({ type: 'm.room.redaction', content: { redacts: secret.eventId } }))
    await fixture.push(redaction)
    await fixture.ingest.backfilled(room.roomId, THERE, [secret.json])
    assert.deepEqual((await fixture.rooms.row(secret.eventId)).event.content, {})
  })
})

describe('history with an event that can not be taken', () => {
  const unsigned = (event: Event) => forged(event, { signatures: { [THERE]: { 'ed25519:a': 'AAAA' } } })
  const untouched = (event: Event) => event
  const BAD: readonly [string, RemoteDraft, (event: Event) => Event][] = [
    ['a forged signature', { content: { body: 'forged' } }, unsigned],
    ['more than 65,536 bytes', { content: { body: 'x'.repeat(66_000) } }, untouched],
    ['NUL in its state key', { type: 'org.example.state', stateKey: 'a\0b' }, untouched],
  ]
  for (const version of ['3', '4', '11', '12']) {
    for (const [what, draft, spoil] of BAD) {
      it(`for ${what}, goes on with what that cites, in version ${version}`, async () => {
        const { room, join, history } = await oldRoom((room) => {
          room.send({ body: 'older' })
          const { type, stateKey } = room.add(room.event(draft))
          // What nobody takes, nobody tells as state.
          room.state.delete(stateMapKey(type, stateKey ?? ''))
          room.put('m.room.topic', { topic: 'newer' })
          room.send({ body: 'newer' })
        }, version)
        const [dropped, ...newer] = history.slice(-3) as [Event, Event, Event]
        const older = history.slice(0, -3)
        const answer = jsonOf([...newer, spoil(dropped), ...older])
        const ingest = (through: boolean) => fixture.ingest.backfilled(room.roomId, THERE, answer, through)
        assert.deepEqual(await ingest(false), { placed: newer.length, opened: 0, isBlocked: false })
        assert.deepEqual(await ingest(false), { placed: 0, opened: 0, isBlocked: true })
        assert.equal((await ingest(true)).placed, older.length)
        assert.deepEqual(idsOf(await fixture.rooms.timeline(room.roomId)), idsOf([...older, ...newer, join]))
        const gaps = await gapsOf(room.roomId)
        assert.deepEqual(gaps, [dropped.eventId], 'it may still come in another form')
      })
    }
  }

  it('alone, leaves gaps behind it that are filled later', async () => {
    const { room, history } = await oldRoom((room) => {
      room.send({ body: 'older' })
      for (let n = 0; n < 3; n += 1) room.send({ body: `forged ${n}` })
    })
    const dropped = history.slice(-3)
    const older = history.slice(0, -3)
    const answer = jsonOf(dropped.map(unsigned))
    assert.deepEqual(await fixture.ingest.backfilled(room.roomId, THERE, answer, true), {
      placed: 0,
      opened: 1,
      isBlocked: true,
    })
    assert.deepEqual((await gapsOf(room.roomId)).toSorted(), [dropped[2]!.eventId, older.at(-1)!.eventId].toSorted())
    const { placed } = await fixture.ingest.backfilled(room.roomId, THERE, jsonOf(older))
    assert.equal(placed, older.length)
    // The event itself is taken when somebody gives it as it was signed.
    const good = await fixture.ingest.backfilled(room.roomId, THERE, jsonOf(dropped))
    assert.equal(good.placed, dropped.length)
    assert.deepEqual(await gapsOf(room.roomId), [])
  })

  it('is not followed where its hash does not prove what it says', async () => {
    const { room, history } = await oldRoom((room) => room.send({ body: 'x' }))
    const elsewhere = room.event({ prevEvents: history.slice(0, 1) })
    const lie = unsigned(forged(history.at(-1) as Event, { prev_events: [elsewhere.eventId] }))
    assert.deepEqual(await fixture.ingest.backfilled(room.roomId, THERE, [lie.json, elsewhere.json], true), {
      placed: 0,
      opened: 0,
      isBlocked: false,
    })
  })
})
