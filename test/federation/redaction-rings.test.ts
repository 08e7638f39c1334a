/** S16: redactions that redact each other in a ring, which senders who choose their event ids can make. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import { type InboundFixture, inboundFixture, REMY, THERE } from '#test/federation/harness/inbound-fixture.ts'

let fixture: InboundFixture
before(async () => {
  fixture = await inboundFixture()
})
after(() => fixture[Symbol.asyncDispose]())

describe('S16: a ring of redactions', () => {
  for (const version of ['1', '2']) {
    for (const length of [1, 2, 3, 1_000]) {
      it(`of ${length} ends, and leaves the room as it should be, in version ${version}`, async () => {
        const room = await fixture.joinedRoom(version)
        const said = room.send({ body: 'secret' })
        const idOf = (n: number) => `$ring${n % length}of${length}v${version}:${THERE}`
        const ring = Array.from({ length }, (_, n) => {
          const json = { event_id: idOf(n), redacts: idOf(n + 1) }
          return room.add(room.event({ type: 'm.room.redaction', content: { reason: 'ring' }, json }))
        })
        const last = room.event({ type: 'm.room.redaction', json: { redacts: said.eventId } })
        const answers = await fixture.push(said, ...ring, last)
        assert.deepEqual(new Set([...answers.values()].map((answer) => JSON.stringify(answer))), new Set(['{}']))

        const isRedacted = async ({ eventId }: Event) => {
          const { rejected, softFailed, event } = await fixture.rooms.row(eventId)
          assert.deepEqual([rejected, softFailed], [false, false], eventId)
          return Object.keys(event.content).length === 0
        }
        assert.equal(await isRedacted(said), true)
        // Nothing redacts itself. Of a longer ring the first is redacted by the last, and itself redacts the second.
        const redacted = await Promise.all(ring.map(isRedacted))
        assert.deepEqual(redacted.slice(0, 2), length === 1 ? [false] : [true, length > 2])
        const joined = await fixture.rooms.membership(room.roomId, REMY)
        assert.equal(joined, 'join')
      })
    }
  }
})
