import assert from 'node:assert/strict'
import type { Event } from '#core/event/event.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { redactJson } from '#core/event/redact.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { BOB, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const redactedCopy = (event: Event, { rules }: RoomFixture) =>
  viewEvent(redactJson(event.json, rules), rules, event.eventId)

forEachDatabase('events judged again', (test) => {
  test('change their verdict, their state after, and their place among relations', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    const member = room.member(BOB, 'join')
    const content = { 'm.relates_to': { rel_type: 'm.thread', event_id: create.eventId } }
    const reply = room.event({ content, prev: [create] })
    const { events } = await room.append(store, [
      create,
      { event: member, verdict: 'soft-failed', reason: 'late' },
      { event: reply, verdict: 'rejected', reason: 'rule 8' },
    ])
    const [, memberNid, replyNid] = events.map(({ nid }) => nid)
    const relations = () => store.read((tx) => tx.events.relations(room.nid, create.eventId))
    assert.equal((await relations()).length, 0)
    await store.write(async (tx) => {
      await tx.events.reevaluate(memberNid!, 'accepted')
      await tx.events.reevaluate(replyNid!, 'accepted')
    })
    assert.deepEqual(
      (await relations()).map(({ eventNid }) => eventNid),
      [replyNid],
    )
    await store.read(async (tx) => {
      const rows = await tx.events.byNids([memberNid!, replyNid!])
      const row = rows.get(memberNid!)!
      assert.deepEqual([row.softFailed, rows.get(replyNid!)!.rejected], [false, false])
      assert.equal(await tx.state.get(row.stateAfter, 'm.room.member', BOB), memberNid)
      assert.equal(await tx.events.rejectionReason(memberNid!), null)
      assert.deepEqual(await tx.events.threadRoots([replyNid!]), new Map([[replyNid, create.eventId]]))
      assert.deepEqual(await tx.state.current(room.nid, ['m.room.member']), [])
    })
    await store.write(async (tx) => {
      const other = await tx.state.build(room.nid, [{ type: 'm.room.topic', stateKey: '', event: replyNid! }])
      await tx.events.reevaluate(memberNid!, 'rejected', 'rule 5', other)
      await tx.events.reevaluate(replyNid!, 'soft-failed', 'after all')
    })
    assert.equal((await relations()).length, 0)
    await store.read(async (tx) => {
      const row = (await tx.events.byNids([memberNid!])).get(memberNid!)!
      assert.equal(row.stateAfter, row.stateBefore)
      assert.equal(await tx.state.get(row.stateBefore, 'm.room.topic', ''), replyNid)
      assert.equal(await tx.events.rejectionReason(memberNid!), 'rule 5')
    })
  })

  test('new extremities count as an append', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const [create, late] = [room.state('m.room.create', ''), room.event()]
    const { events } = await room.append(store, [create, { event: late, verdict: 'soft-failed' }])
    const nids = events.map(({ nid }) => nid)
    assert.equal(await store.write((tx) => tx.rooms.replaceExtremities(room.nid, nids)), 2)
    assert.deepEqual(
      (await store.read((tx) => tx.rooms.extremities(room.nid))).map(({ nid }) => nid),
      nids,
    )
    assert.equal(await store.write((tx) => tx.rooms.replaceExtremities(room.nid, [])), 3)
    await assert.rejects(room.append(store, [room.event()]), { name: 'StaleHeadError' })
  })

  test('a redaction waits for what it redacts, and is shown with it', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    const target = room.event({ content: { body: 'secret' } })
    const relatesTo = { rel_type: 'm.reference', event_id: create.eventId }
    const content = { redacts: target.eventId, 'm.relates_to': relatesTo }
    const redaction = room.event({ type: 'm.room.redaction', content, prev: [create] })
    const { events } = await room.append(store, [create, { event: redaction, unapplied: true }])
    const by = events[1]!.nid
    const since = store.position()
    const seen = () =>
      store.read(async (tx) => {
        const ids = (rows: readonly { event: Event }[]) => rows.map(({ event }) => event.eventId)
        return {
          pending: await tx.events.pendingRedactions([target.eventId, create.eventId]),
          timeline: ids(await tx.events.timeline({ room: room.nid, direction: 'forwards', limit: 10 })),
          late: ids(await tx.events.lateRedactions(room.nid, since, store.position(), 10)),
          relations: (await tx.events.relations(room.nid, create.eventId)).length,
          unapplied: (await tx.events.byId(redaction.eventId))?.unapplied,
        }
      })
    assert.deepEqual(await seen(), {
      pending: new Map([[target.eventId, [by]]]),
      timeline: [create.eventId],
      late: [],
      relations: 0,
      unapplied: true,
    })
    // Other servers get it all the same.
    const received = await store.read((tx) => tx.events.localEventsBetween(0, since, 10))
    assert.ok(received.some(({ nid }) => nid === by))
    const appended = await room.append(store, [target])
    await store.write((tx) => tx.events.redact(by, appended.events[0]!.nid, redactedCopy(target, room)))
    assert.deepEqual(await seen(), {
      pending: new Map(),
      timeline: [create.eventId, redaction.eventId, target.eventId],
      late: [redaction.eventId],
      relations: 1,
      unapplied: false,
    })
    const log = await store.read((tx) => tx.log.between(since, store.position(), 10))
    assert.deepEqual(
      log.map(({ kind, roomNid }) => [kind, roomNid]),
      [
        ['event', room.nid],
        ['event', room.nid],
      ],
    )
    const row = await store.read((tx) => tx.events.byId(target.eventId))
    assert.deepEqual([row?.redactedBy, row?.event.content], [by, {}])
  })

  test('a redaction may name anything', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const odd = ['$\0:x', '$\ud800:x', `$${'x'.repeat(300)}:x`, '']
    const { events } = await room.append(store, [
      room.state('m.room.create', ''),
      ...odd.map((redacts) => ({
        event: room.event({ type: 'm.room.redaction', content: { redacts } }),
        unapplied: true,
      })),
    ])
    assert.equal(events.length, odd.length + 1)
  })
})

forEachDatabase('what came live', (test) => {
  test('is read in order: a room with all it holds, local events of all rooms', async (open) => {
    const store = await open()
    const [one, two] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    const create = one.state('m.room.create', '')
    const remote = one.event({ sender: '@carol:elsewhere.example' as never })
    const refused = one.event()
    await one.append(store, [create, remote, { event: refused, verdict: 'rejected' }])
    const other = two.state('m.room.create', '')
    await two.append(store, [other])
    const last = one.event({ prev: [remote] })
    await one.append(store, [last])
    await store.read(async (tx) => {
      const ids = (rows: readonly { event: Event }[]) => rows.map(({ event }) => event.eventId)
      const { nid } = one
      assert.deepEqual(
        ids(await tx.events.receivedBetween(nid, 1, 5, 9)),
        [remote, refused, last].map((e) => e.eventId),
      )
      assert.deepEqual(ids(await tx.events.receivedBetween(nid, 1, 5, 1)), [remote.eventId])
      assert.deepEqual(
        ids(await tx.events.localEventsBetween(0, 5, 9)),
        [create, other, last].map((e) => e.eventId),
      )
      assert.deepEqual(ids(await tx.events.localEventsBetween(1, 5, 1)), [other.eventId])
      assert.deepEqual(ids(await tx.events.localEventsBetween(1, 3, 9)), [])
    })
  })
})
