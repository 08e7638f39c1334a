/** A redaction that comes before what it redacts, through to clients. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, it } from 'node:test'
import type { EventId, RoomId } from '#core/ids.ts'
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
/** Whether b.test is denied what lies before the events that it has. */
let isSilent: boolean

const answered = (status: number, body: object): WireReply => {
  return { outcome: 'answered', status, retryAfterMs: null, body: Buffer.from(JSON.stringify(body)) }
}

beforeEach(async () => {
  federation = new SmallFederation()
  swallow = null
  isSilent = false
  federation.intercept = (from, { uri }) => {
    if (swallow !== null && from === a.name && uri.includes('/send/')) {
      swallow()
      return answered(200, { pdus: {} })
    }
    const asksForPast = uri.includes('/get_missing_events/') || uri.includes('/backfill/')
    return isSilent && from === b.name && asksForPast ? answered(404, { errcode: 'M_NOT_FOUND', error: '' }) : null
  }
  a = await federation.server('a.test')
  b = await federation.server('b.test')
  alice = await a.user('alice')
  bob = await b.user('bob')
  roomId = await alice.createRoom({ preset: 'public_chat' })
  assert.equal((await bob.join(roomId, a)).status, 200)
  await b.services.federation.memberships.partialStates.idle()
})
afterEach(async () => {
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

/** Says something that b.test doesn't get. */
async function lost(body: string): Promise<EventId> {
  const { promise, resolve } = Promise.withResolvers<void>()
  swallow = resolve
  const eventId = await alice.say(roomId, body)
  await promise
  swallow = null
  return eventId
}

type Shown = { readonly event_id: string; readonly type: string; readonly content: object }

it('stays with the server until that comes, and is then news', async () => {
  isSilent = true
  const secret = await lost('secret')
  // The redaction cites only this one.
  await lost('something else')
  const room = `/rooms/${encodeURIComponent(roomId)}`
  const sent = await alice.put(`${room}/redact/${encodeURIComponent(secret)}/txn`, {})
  const redaction: EventId = sent.body.event_id
  await b.until(async () => (await b.store.read((tx) => tx.events.byId(redaction)))?.rank != null)

  const before = await bob.sync()
  const timelineOf = (answer: typeof before): Shown[] => answer.rooms?.join?.[roomId]?.timeline.events ?? []
  assert.ok(!timelineOf(before).some(({ event_id }) => event_id === redaction))
  assert.equal((await bob.get(`${room}/event/${encodeURIComponent(redaction)}`)).status, 404)

  isSilent = false
  federation.advance(24 * 60 * 60 * 1000)
  const page = await bob.get(`${room}/messages?dir=b&limit=20`)
  const message = (page.body.chunk as Shown[]).find(({ event_id }) => event_id === secret)
  assert.deepEqual(message?.content, {})
  const after = await bob.get(`/sync?since=${before.next_batch}`)
  assert.deepEqual(
    timelineOf(after.body).map(({ event_id, type }) => [event_id, type]),
    [[redaction, 'm.room.redaction']],
  )
  assert.deepEqual(timelineOf((await bob.get(`/sync?since=${after.body.next_batch}`)).body), [])
})
