import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { EventId, UserId } from '#core/ids.ts'
import { type InboundFixture, inboundFixture, REMY, signerOf, THERE } from '#test/federation/harness/inbound-fixture.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

const row = (event: Pick<Event, 'eventId'>) => fixture.rooms.store.read((tx) => tx.events.byId(event.eventId))

async function isAccepted(event: Event): Promise<boolean> {
  const found = await row(event)
  return found !== null && found.rank !== null && !found.rejected && !found.softFailed
}

describe('redactions from elsewhere', () => {
  const redact = (room: RemoteRoom, target: EventId, sender = REMY, signer = signerOf(THERE)) =>
    room.add(
      room.event({
        type: 'm.room.redaction',
        sender,
        signer,
        content: room.rules.redactsInContent ? { redacts: target } : {},
        json: room.rules.redactsInContent ? {} : { redacts: target },
      }),
    )

  for (const version of ['1', '3', '10', '11', '12']) {
    it(`S16: apply whether they come after or before what they redact (version ${version})`, async () => {
      const room = await fixture.joinedRoom(version)
      const first = room.send({ body: 'secret 1' })
      const second = room.send({ body: 'secret 2' })
      const byFirst = redact(room, first.eventId)
      await fixture.push(first, second, byFirst)
      assert.deepEqual((await row(first))?.event.content, {})
      const late = room.event({ content: { body: 'secret 3' } })
      await fixture.push(redact(room, late.eventId))
      await fixture.push(late)
      assert.deepEqual((await row(late))?.event.content, {})
      assert.deepEqual((await row(second))?.event.content, { body: 'secret 2' })
    })
  }

  it('S16: of others need the redact level, or the server of the sender', async () => {
    const room = await fixture.joinedRoom()
    const bob = '@bob:other.test' as UserId
    const carol = '@carol:other.test' as UserId
    for (const user of [bob, carol]) await fixture.push(room.member(user, 'join', user, signerOf('other.test')))
    const ofRemy = room.send({ body: 'of remy' })
    const ofCarol = room.send({ body: 'of carol' }, carol, signerOf('other.test'))
    await fixture.push(ofRemy, ofCarol)
    const without = redact(room, ofRemy.eventId, bob, signerOf('other.test'))
    const sameServer = redact(room, ofCarol.eventId, bob, signerOf('other.test'))
    await fixture.push(without, sameServer)
    assert.deepEqual((await row(ofRemy))?.event.content, { body: 'of remy' })
    assert.deepEqual((await row(ofCarol))?.event.content, {})
    assert.equal(await isAccepted(without), true)
  })

  it('S16: of events of another room do nothing', async () => {
    const room = await fixture.joinedRoom()
    const other = await fixture.joinedRoom()
    const target = other.send({ body: 'stays' })
    await fixture.push(target, redact(room, target.eventId))
    assert.deepEqual((await row(target))?.event.content, { body: 'stays' })
  })

  const shown = async (room: RemoteRoom) => (await fixture.rooms.timeline(room.roomId)).map(({ eventId }) => eventId)

  for (const version of ['3', '10', '12']) {
    it(`are kept from clients unless they apply (version ${version})`, async () => {
      const room = await fixture.joinedRoom(version)
      const other = await fixture.joinedRoom(version)
      const bob = '@bob:other.test' as UserId
      const join = room.member(bob, 'join', bob, signerOf('other.test'))
      const elsewhere = other.send({ body: 'stays' })
      const here = room.send({ body: 'stays too' })
      const unknown = room.event({ content: { body: 'never comes' } })
      await fixture.push(join, elsewhere, here)
      const refused = [
        redact(room, elsewhere.eventId),
        redact(room, unknown.eventId),
        redact(room, here.eventId, bob, signerOf('other.test')),
      ]
      const applied = redact(room, here.eventId)
      const again = redact(room, here.eventId)
      await fixture.push(...refused, applied, again)
      for (const event of refused) assert.equal(await isAccepted(event), true)
      assert.deepEqual((await shown(room)).slice(-3), [here.eventId, applied.eventId, again.eventId])
    })
  }

  it('are shown when what they redact has come', async () => {
    const room = await fixture.joinedRoom()
    const target = room.event({ content: { body: 'late' } })
    const redaction = redact(room, target.eventId)
    await fixture.push(redaction)
    assert.ok(!(await shown(room)).includes(redaction.eventId))
    await fixture.push(target)
    const events = await shown(room)
    assert.deepEqual(
      [redaction, target].map(({ eventId }) => events.includes(eventId)),
      [true, true],
    )
  })
})
