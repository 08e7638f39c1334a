import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { UserId } from '#core/ids.ts'
import { type InboundFixture, inboundFixture, REMY, signerOf } from '#test/federation/harness/inbound-fixture.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'

const MALLORY = '@mallory:other.test' as UserId
const MALLORYS = signerOf('other.test')

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

const roomRow = async (room: RemoteRoom) => (await fixture.rooms.store.read((tx) => tx.rooms.byId(room.roomId)))!
/** How many writes to the room it took. */
async function writesFor(room: RemoteRoom, ...events: readonly Event[]): Promise<number> {
  const { headSeq } = await roomRow(room)
  await fixture.push(...events)
  return (await roomRow(room)).headSeq - headSeq
}

/** What is stored of each event, and the room's current state. */
async function outcome(room: RemoteRoom, events: readonly Event[]) {
  const { rooms } = fixture
  const { store } = rooms
  const rows = await store.read((tx) => tx.events.byIds(events.map(({ eventId }) => eventId)))
  const byId = new Map(rows.map((row) => [row.event.eventId, row]))
  return {
    events: events.map(({ eventId }) => {
      const row = byId.get(eventId)
      return [row?.rank != null, row?.rejected, row?.softFailed, row?.redactedBy != null]
    }),
    state: await Promise.all(
      [...room.state.values()].map(async ({ type, stateKey }) => {
        const found = await rooms.state(room.roomId, type, stateKey ?? '')
        return [type, found === null ? null : events.findIndex(({ eventId }) => eventId === found.eventId)]
      }),
    ),
  }
}

/** Changes of power, a ban, what those who were banned still say, redactions before and after what they redact. */
function story(room: RemoteRoom): Event[] {
  const told: Event[] = []
  const tell = (event: Event) => told.push(event)
  tell(room.send({ body: 'first' }))
  tell(room.member(MALLORY, 'join', MALLORY, MALLORYS))
  tell(room.put('m.room.power_levels', { users: { [REMY]: 100, [MALLORY]: 50 } }))
  tell(room.put('m.room.topic', { topic: 'by mallory' }, MALLORY, MALLORYS))
  const redacted = room.event({ content: { body: 'to be redacted' } })
  const redact = (target: Event) => {
    const names = { redacts: target.eventId }
    const { redactsInContent } = room.rules
    const [content, json] = redactsInContent ? [names, {}] : [{}, names]
    tell(room.add(room.event({ type: 'm.room.redaction', content, json })))
  }
  redact(redacted)
  tell(redacted)
  room.add(redacted)
  redact(told[0]!)
  tell(room.put('m.room.power_levels', { users: { [REMY]: 100 } }))
  const unentitled = room.event({
    type: 'm.room.topic',
    stateKey: '',
    content: {},
    sender: MALLORY,
    signer: MALLORYS,
  })
  tell(unentitled)
  tell(room.member(MALLORY, 'ban', REMY))
  tell(room.event({ sender: MALLORY, signer: MALLORYS }))
  tell(room.send({ body: 'among ourselves' }))
  tellBranch(room, told)
  tell(room.event({ prevEvents: [unentitled] }))
  tell(room.send({ body: 'last' }))
  return told
}

/** Messages and a change of the state beside the room's newest event, and one that joins both. */
function tellBranch(room: RemoteRoom, told: Event[]): void {
  const main = room.tips
  let tip = told.at(-3)!
  const topic = { type: 'm.room.topic', stateKey: '', content: { topic: 'on the branch' } }
  for (const draft of [{}, {}, topic, {}, {}]) {
    tip = room.event({ ...draft, prevEvents: [tip] })
    told.push(tip)
  }
  room.tips = [...main, tip]
  told.push(room.send({ body: 'both' }))
}

describe('events that follow each other', () => {
  it('are written together', async () => {
    const room = await fixture.joinedRoom()
    const messages = Array.from({ length: 20 }, (_, n) => room.send({ body: `${n}` }))
    assert.equal(await writesFor(room, ...messages), 1)
    assert.deepEqual(
      (await outcome(room, messages)).events,
      messages.map(() => [true, false, false, false]),
    )
  })

  it('may change the state that the next of them are judged by', async () => {
    const room = await fixture.joinedRoom()
    const join = room.member(MALLORY, 'join', MALLORY, MALLORYS)
    const message = room.send({ body: 'just in' }, MALLORY, MALLORYS)
    assert.equal(await writesFor(room, join, message), 1)
  })

  it('join forks', async () => {
    const room = await fixture.joinedRoom()
    const before = room.tips
    const branches = [1, 2, 3].map((n) => room.event({ content: { body: `${n}` }, prevEvents: before }))
    await fixture.push(...branches)
    for (const branch of branches) room.add(branch)
    assert.equal(await writesFor(room, room.send({ body: 'joining' }), room.send({ body: 'after' })), 1)
  })

  it('are written together beside the room too', async () => {
    const room = await fixture.joinedRoom()
    const before = room.tips
    await fixture.push(room.put('m.room.topic', { topic: 'meanwhile' }))
    const branch: Event[] = []
    for (let n = 0; n < 5; n++) branch.push(room.event({ prevEvents: branch.length === 0 ? before : branch.slice(-1) }))
    assert.equal(await writesFor(room, ...branch), 1)
    const row = await fixture.rooms.row(branch[4]!.eventId)
    const topic = await fixture.rooms.store.read((tx) => tx.state.get(row.stateAfter, 'm.room.topic', ''))
    assert.equal(topic, null)
    assert.equal((await fixture.rooms.state(room.roomId, 'm.room.topic'))?.content['topic'], 'meanwhile')
  })

  for (const version of ['1', '6', '11', '12']) {
    it(`end as they would one by one (version ${version})`, async () => {
      const [together, single] = [await fixture.joinedRoom(version), await fixture.joinedRoom(version)]
      const [stories, singles] = [story(together), story(single)]
      assert.ok((await writesFor(together, ...stories)) < stories.length)
      for (const event of singles) await fixture.push(event)
      assert.deepEqual(await outcome(together, stories), await outcome(single, singles))
    })
  }
})
