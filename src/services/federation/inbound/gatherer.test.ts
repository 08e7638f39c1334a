/** S55: what one event may make this server ask of others, however they answer. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { EventId, ServerName, UserId } from '#core/ids.ts'
import {
  type Answers,
  honest,
  type InboundFixture,
  inboundFixture,
  signerOf,
  THERE,
} from '#test/federation/harness/inbound-fixture.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'

const OTHERS = ['second.test', 'third.test', 'fourth.test', 'fifth.test'] as ServerName[]

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

const anId = () => `$${randomBytes(32).toString('base64url')}` as EventId

/** A room with users of five servers. */
async function room(): Promise<RemoteRoom> {
  const made = await fixture.joinedRoom()
  const users = OTHERS.map((server) => `@user:${server}` as UserId)
  await fixture.push(...users.map((user, n) => made.member(user, 'join', user, signerOf(OTHERS[n]!))))
  return made
}

/** How often each thing was asked for because of one event, with these answers. */
async function cost(event: Event, answers: Answers): Promise<Record<string, number>> {
  fixture.answers = answers
  fixture.asked.length = 0
  await fixture.push(event)
  await fixture.ingest.idle()
  const counts: Record<string, number> = {}
  for (const line of fixture.asked) {
    const what = line.split(' ')[0] as string
    counts[what] = (counts[what] ?? 0) + 1
  }
  return counts
}

describe('S55: an event that lacks others', () => {
  it('costs a few requests where nobody answers', async () => {
    const made = await room()
    const lost = made.event({})
    const counts = await cost(made.event({ prevEvents: [lost] }), () => null)
    // Four servers: for what is missing, for the state after it (of the first), and for the state before the event.
    assert.deepEqual(counts, { get_missing_events: 4, state_ids: 5 })
  })

  it('costs a bounded number where each answer lacks others again', async () => {
    const made = await room()
    const chain = [made.event({})]
    for (let n = 0; n < 20; n++) chain.push(made.event({ prevEvents: chain.slice(-1) }))
    let given = chain.length - 1
    const counts = await cost(chain[given]!, (what) => {
      if (what === 'state_ids') return { pdu_ids: [anId()], auth_chain_ids: [anId()] }
      if (what !== 'get_missing_events') return null
      given -= 1
      return { events: [chain[given]!.json] }
    })
    assert.equal(counts['get_missing_events'], 10)
    assert.ok((counts['state_ids'] ?? 0) <= 8, JSON.stringify(counts))
    assert.ok((counts['event'] ?? 0) <= 8 * 2, JSON.stringify(counts))
  })

  it('and whose authority is not there costs a bounded number', async () => {
    const made = await room()
    const bob = `@bob:${THERE}` as UserId
    const unknown = Array.from({ length: 9 }, () => made.event({ type: 'm.room.member', stateKey: bob, sender: bob }))
    const event = made.event({ authEvents: [...made.stateEvents.slice(0, 1), ...unknown] })
    const lying = await cost(event, (what) => (what === 'event_auth' ? { auth_chain: [] } : null))
    assert.ok((lying['event_auth'] ?? 0) <= 4, JSON.stringify(lying))
    assert.ok((lying['event'] ?? 0) <= 4 * 9, JSON.stringify(lying))
    assert.deepEqual(Object.keys(lying).sort(), ['event', 'event_auth', 'state_ids'])
    assert.ok((lying['state_ids'] ?? 0) <= 8, JSON.stringify(lying))
  })

  it('is taken in the end where one of the servers is honest', async () => {
    const made = await room()
    const lost = made.send({ body: 'lost' })
    const last = made.send({ body: 'last' })
    const answer = honest(made)
    await cost(last, (what, request) => (request.destination === OTHERS[2] ? answer(what, request) : null))
    for (const { eventId } of [lost, last]) {
      const row = await fixture.rooms.store.read((tx) => tx.events.byId(eventId))
      assert.deepEqual([row?.rejected, row?.softFailed], [false, false])
    }
  })
})
