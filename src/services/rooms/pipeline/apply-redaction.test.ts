import assert from 'node:assert/strict'
import type { Event } from '#core/event/event.ts'
import { redactByEarlier, redactReevaluated } from '#services/rooms/pipeline/apply-redaction.ts'
import type { Store } from '#store/store.ts'
import type { StateId } from '#store/types/state.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, RoomFixture } from '#test/store/rooms/room-fixture.ts'

/** A room in which Alice has said something, and Bob, of her server, redacts it, which was refused at first. */
async function refusedRedaction(store: Store) {
  const room = await RoomFixture.create(store)
  const create = room.state('m.room.create', '')
  const target = room.event({ content: { body: 'secret' }, sender: ALICE })
  const redaction = room.event({ type: 'm.room.redaction', sender: BOB, content: { redacts: target.eventId } })
  return { room, create, target, redaction }
}

const rowOf = async (store: Store, { eventId }: Event) => (await store.read((tx) => tx.events.byId(eventId)))!

forEachDatabase('a redaction that was refused', (test) => {
  test('applies when it is accepted after all', async (open) => {
    const store = await open()
    const { room, create, target, redaction } = await refusedRedaction(store)
    const refused = { event: redaction, verdict: 'rejected', unapplied: true } as const
    await room.append(store, [create, target, refused])
    const row = await rowOf(store, redaction)
    await store.write(async (tx) => {
      await tx.events.reevaluate(row.nid, 'accepted')
      await redactReevaluated(tx, row, row.stateBefore)
    })
    assert.deepEqual((await rowOf(store, target)).event.content, {})
    assert.equal((await rowOf(store, redaction)).unapplied, false)
  })

  test('does not apply when what it redacts comes, unless it is accepted by then', async (open) => {
    const store = await open()
    const { room, create, target, redaction } = await refusedRedaction(store)
    const { events } = await room.append(store, [create, { event: redaction, verdict: 'rejected', unapplied: true }])
    const placed = await room.append(store, [target])
    const comes = () => store.write((tx) => redactByEarlier(tx, target, placed.events[0]!.nid))
    await comes()
    assert.deepEqual((await rowOf(store, target)).event.content, { body: 'secret' })
    await store.write((tx) => tx.events.reevaluate(events[1]!.nid, 'accepted'))
    await comes()
    assert.deepEqual((await rowOf(store, target)).event.content, {})
  })

  test('is not brought back by an event that it does not name', async (open) => {
    const store = await open()
    const { room, create, target, redaction } = await refusedRedaction(store)
    const other = room.event({ content: { body: 'stays' } })
    await room.append(store, [create, target, other, { event: redaction, unapplied: true }])
    const row = await rowOf(store, other)
    await store.write((tx) => redactReevaluated(tx, row, 0 as StateId))
    assert.deepEqual((await rowOf(store, other)).event.content, { body: 'stays' })
    assert.deepEqual((await rowOf(store, target)).event.content, { body: 'secret' })
  })
})
