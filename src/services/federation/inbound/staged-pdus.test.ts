/** Events that wait for others: who is slow to give those holds up nobody else. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Event } from '#core/event/event.ts'
import type { ServerName, UserId } from '#core/ids.ts'
import type { JsonValue } from '#core/json/value.ts'
import { STAGED_AT_ONCE_MAX, STAGED_AT_ONCE_PER_ORIGIN_MAX } from '#services/federation/inbound/staged-pdus.ts'
import { type InboundFixture, inboundFixture, signerOf, THERE } from '#test/federation/harness/inbound-fixture.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'

const OTHER = 'other.test' as ServerName
const OLLY = `@olly:${OTHER}` as UserId

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

const has = async ({ eventId }: Event) => {
  const row = await fixture.rooms.store.read((tx) => tx.events.byId(eventId))
  return row !== null && row.rank !== null
}
async function arrives(event: Event): Promise<void> {
  while (!(await has(event))) await turn()
}

/** A room that a user of a second server is in as well. */
async function sharedRoom(): Promise<RemoteRoom> {
  const room = await fixture.joinedRoom()
  await fixture.push(room.member(OLLY, 'join', OLLY, signerOf(OTHER)))
  return room
}

/** An event after one that is kept back. */
function afterLost(room: RemoteRoom, sender: UserId | undefined = undefined, signer = signerOf(THERE)) {
  const { tips } = room
  const by = sender === undefined ? { signer } : { sender, signer }
  const lost = room.event({ ...by, prevEvents: tips })
  return { lost, last: room.event({ ...by, prevEvents: [lost] }) }
}

describe('what one server is asked for in vain', () => {
  it('holds up nothing of another one, not even in the same room', async () => {
    const room = await sharedRoom()
    const [slow, quick] = [afterLost(room), afterLost(room, OLLY, signerOf(OTHER))]
    const held = Promise.withResolvers<JsonValue | null>()
    fixture.answers = (what, { destination }) => {
      if (destination === THERE) return held.promise
      return what === 'get_missing_events' ? { events: [quick.lost.json] } : null
    }
    await fixture.push(slow.last)
    await fixture.ingest.receive(OTHER, [quick.last.json])
    await arrives(quick.last)
    assert.equal(await has(slow.last), false)
    held.resolve({ events: [slow.lost.json] })
    await arrives(slow.last)
    await fixture.ingest.idle()
  })

  it('holds up what it sent later no longer than the next try', async () => {
    const room = await fixture.joinedRoom()
    const [never, later] = [afterLost(room), afterLost(room)]
    fixture.answers = async (what, { body }) => {
      if (what !== 'get_missing_events') return null
      return JSON.stringify(body).includes(later.last.eventId) ? { events: [later.lost.json] } : null
    }
    await fixture.push(never.last, later.last)
    await fixture.ingest.idle()
    assert.equal(await has(later.last), false)
    fixture.time.advance(60_000)
    await fixture.ingest.idle()
    assert.deepEqual([await has(never.last), await has(later.last)], [false, true])
    fixture.answers = (what) => (what === 'get_missing_events' ? { events: [never.lost.json] } : null)
    fixture.time.advance(60_000)
    await fixture.ingest.idle()
    assert.equal(await has(never.last), true)
  })

  it('takes no more than its share of what is asked for at once, however many rooms it is', async () => {
    const rooms: RemoteRoom[] = []
    for (let n = 0; n < STAGED_AT_ONCE_MAX + 1; n++) rooms.push(await fixture.joinedRoom())
    const theirs = rooms.map((room) => afterLost(room))
    const shared = await sharedRoom()
    const quick = afterLost(shared, OLLY, signerOf(OTHER))
    const held = Promise.withResolvers<JsonValue | null>()
    fixture.asked.length = 0
    fixture.answers = (what, { destination, uri }) => {
      if (what !== 'get_missing_events') return null
      if (destination === OTHER) return { events: [quick.lost.json] }
      const index = rooms.findIndex(({ roomId }) => uri.includes(encodeURIComponent(roomId)))
      return held.promise.then(() => ({ events: [theirs[index]!.lost.json] }))
    }
    await fixture.push(...theirs.map(({ last }) => last))
    await fixture.ingest.receive(OTHER, [quick.last.json])
    await arrives(quick.last)
    const asked = fixture.asked.filter((what) => what === `get_missing_events ${THERE}`)
    assert.equal(asked.length, STAGED_AT_ONCE_PER_ORIGIN_MAX)
    held.resolve(null)
    for (const { last } of theirs) await arrives(last)
    await fixture.ingest.idle()
    assert.equal(await fixture.rooms.store.read((tx) => tx.inbound.stagedCount()), 0)
  })
})
