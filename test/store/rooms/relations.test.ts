import assert from 'node:assert/strict'
import type { Event } from '#core/event/event.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { redactJson } from '#core/event/redact.ts'
import type { EventId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import type { Store } from '#store/store.ts'
import type { EventNid } from '#store/types/events.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const relatesTo = (parent: EventId, relType: JsonValue): JsonObject => ({
  'm.relates_to': { rel_type: relType, event_id: parent },
})

function redactedCopy(event: Event): Event {
  return viewEvent(redactJson(event.json, event.rules), event.rules, event.eventId)
}

const relating = async (store: Store, room: RoomFixture, parent: EventId, relType?: string) =>
  (await store.read((tx) => tx.events.relations(room.nid, parent, relType))).map(({ eventNid }) => eventNid)

forEachDatabase('relations', (test) => {
  test('events are found by what they relate to', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const parent = room.event()
    const reaction = room.event({ type: 'm.reaction', sender: BOB, content: relatesTo(parent.eventId, 'm.annotation') })
    const edit = room.event({ content: relatesTo(parent.eventId, 'm.replace') })
    const hidden = room.event({ content: relatesTo(parent.eventId, 'm.annotation'), prev: [parent] })
    const { events } = await room.append(store, [parent, reaction, edit, { event: hidden, verdict: 'soft-failed' }])
    const [, reactionNid, editNid] = events.map(({ nid }) => nid)
    await store.read(async (tx) => {
      assert.deepEqual(await tx.events.relations(room.nid, parent.eventId), [
        {
          eventNid: reactionNid,
          parentId: parent.eventId,
          relType: 'm.annotation',
          type: 'm.reaction',
          senderNid: await tx.users.nid(BOB),
        },
        {
          eventNid: editNid,
          parentId: parent.eventId,
          relType: 'm.replace',
          type: 'm.room.message',
          senderNid: await tx.users.nid(ALICE),
        },
      ])
    })
    assert.deepEqual(await relating(store, room, parent.eventId, 'm.replace'), [editNid])
    const other = await RoomFixture.create(store)
    await other.append(store, [other.event({ content: relatesTo(parent.eventId, 'm.annotation') })])
    assert.equal((await relating(store, room, parent.eventId)).length, 2)
  })

  test('what is no relation is passed over', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const parent = room.event()
    const odd: JsonValue[] = ['a\0b', 'x'.repeat(256), 1, null, {}, ['m.thread']]
    const contents: JsonObject[] = [
      ...odd.map((relType) => relatesTo(parent.eventId, relType)),
      relatesTo('no event id' as EventId, 'm.thread'),
      { 'm.relates_to': null },
      { 'm.relates_to': 'm.thread' },
      { 'm.relates_to': [parent.eventId] },
      { 'm.relates_to': { event_id: parent.eventId } },
      { 'm.relates_to': { 'm.in_reply_to': { event_id: parent.eventId } } },
    ]
    await room.append(store, [parent, ...contents.map((content) => room.event({ content }))])
    assert.deepEqual(await relating(store, room, parent.eventId), [])
  })

  test('an event is in the thread of what it relates to', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const root = room.event()
    const reply = room.event({ content: relatesTo(root.eventId, 'm.thread') })
    const reaction = room.event({ type: 'm.reaction', content: relatesTo(reply.eventId, 'm.annotation') })
    const onRoot = room.event({ type: 'm.reaction', content: relatesTo(root.eventId, 'm.annotation') })
    const plain = room.event()
    const { events } = await room.append(store, [root, reply, reaction, onRoot, plain])
    const later = room.event({ type: 'm.reaction', content: relatesTo(reaction.eventId, 'm.annotation') })
    const unknownRoot = `$${'A'.repeat(43)}` as EventId
    const orphan = room.event({ content: relatesTo(unknownRoot, 'm.thread') })
    const more = await room.append(store, [later, orphan])
    const nids = [...events, ...more.events].map(({ nid }) => nid)
    const roots = await store.read((tx) => tx.events.threadRoots(nids))
    assert.deepEqual(
      nids.map((nid) => roots.get(nid)),
      [root.eventId, root.eventId, root.eventId, undefined, undefined, root.eventId, unknownRoot],
    )
  })

  test('a redaction replaces the event and ends its relations, everywhere at once', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const parent = room.event()
    const reply = room.event({ content: { body: 'secret', ...relatesTo(parent.eventId, 'm.thread') } })
    const { events } = await room.append(store, [parent, reply])
    const target = events[1]!.nid
    assert.deepEqual(await relating(store, room, parent.eventId), [target])
    const reader = await open()
    await reader.read((tx) => tx.events.byId(reply.eventId))

    const redacted = redactedCopy(reply)
    const command = room.event({ type: 'm.room.redaction', content: { redacts: reply.eventId } })
    await assert.rejects(
      store.write(async (tx) => {
        await room.appendIn(tx, [{ event: command, redaction: { target, redacted } }])
        assert.deepEqual((await tx.events.byId(reply.eventId))?.event, redacted)
        throw new Error('changed my mind')
      }),
    )
    assert.deepEqual((await store.read((tx) => tx.events.byId(reply.eventId)))?.event, reply)
    assert.deepEqual(await relating(store, room, parent.eventId), [target])

    room.headSeq = 1
    const { events: redactions } = await room.append(store, [{ event: command, redaction: { target, redacted } }])
    for (const one of [store, reader]) {
      const row = await one.read((tx) => tx.events.byId(reply.eventId))
      assert.deepEqual(row?.event, redacted)
      assert.equal(row?.redactedBy, redactions[0]!.nid)
      assert.equal(row?.nid, target)
    }
    assert.deepEqual(await relating(store, room, parent.eventId), [])
    const roots = await store.read((tx) => tx.events.threadRoots([target, events[0]!.nid]))
    assert.deepEqual(roots, new Map<EventNid, EventId>())
  })

  test('a reader whose snapshot is older than a redaction sees the event as it was', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const message = room.event({ content: { body: 'secret' } })
    const { events } = await room.append(store, [message])
    const redaction = { target: events[0]!.nid, redacted: redactedCopy(message) }
    await store.read(async (tx) => {
      assert.equal(await tx.position(), 1)
      await room.append(store, [{ event: room.event({ type: 'm.room.redaction' }), redaction }])
      assert.deepEqual((await tx.events.byId(message.eventId))?.event, message)
    })
    assert.deepEqual((await store.read((tx) => tx.events.byId(message.eventId)))?.event, redaction.redacted)
  })
})
