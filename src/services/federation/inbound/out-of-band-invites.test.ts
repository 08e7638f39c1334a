/** Invites that came by themselves, without the events that authorise them: these are asked for before others build on it. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import type { ServerName, UserId } from '#core/ids.ts'
import { putOutOfBandMembership } from '#services/federation/membership/out-of-band-memberships.ts'
import {
  HERE,
  honest,
  type InboundFixture,
  inboundFixture,
  signerOf,
  signHere,
} from '#test/federation/harness/inbound-fixture.ts'

const OTHER = 'other.test' as ServerName
const OLLY = `@olly:${OTHER}` as UserId
const BELLA = `@bella:${HERE}` as UserId

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

it('an invite is known with its whole auth chain once an event cites it', async () => {
  const { store } = fixture.rooms
  const room = await fixture.joinedRoom()
  const { tips } = room
  room.member(OLLY, 'join', OLLY, signerOf(OTHER))
  const invite = room.member(BELLA, 'invite', OLLY, signerOf(OTHER))
  await store.write((tx) => putOutOfBandMembership(tx, invite, []))
  const authOfInvite = () =>
    store.read(async (tx) => {
      const { nid } = (await tx.events.byId(invite.eventId))!
      return (await tx.events.authOf([nid])).get(nid)?.auth.length
    })
  assert.equal(await authOfInvite(), invite.authEvents.length - 1)

  const content = { membership: 'join' }
  const draft = { type: 'm.room.member', stateKey: BELLA, sender: BELLA, content, prevEvents: tips, signer: signHere }
  const join = room.add(room.event(draft))
  assert.ok(join.authEvents.includes(invite.eventId))
  fixture.answers = honest(room)
  await fixture.push(join)
  await fixture.ingest.idle()
  for (const { eventId } of [invite, join]) {
    assert.equal((await store.read((tx) => tx.events.byId(eventId)))?.rejected, false)
  }
  assert.equal(await authOfInvite(), invite.authEvents.length)
})

it('an invite is part of the state after it, also where that is only told', async () => {
  const { store } = fixture.rooms
  const room = await fixture.joinedRoom()
  room.member(OLLY, 'join', OLLY, signerOf(OTHER))
  const invite = room.member(BELLA, 'invite', OLLY, signerOf(OTHER))
  await store.write((tx) => putOutOfBandMembership(tx, invite, []))
  const next = room.send({ body: 'next' })
  const answer = honest(room)
  fixture.answers = (what, request) => (what === 'get_missing_events' ? null : answer(what, request))
  await fixture.push(next)
  await fixture.ingest.idle()
  await store.read(async (tx) => {
    const [row, known] = [await tx.events.byId(next.eventId), await tx.events.byId(invite.eventId)]
    assert.equal(await tx.state.get(row!.stateBefore, 'm.room.member', BELLA), known!.nid)
  })
})
