import assert from 'node:assert/strict'
import type { TimelineRange } from '#store/types/events.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { RoomFixture } from '#test/store/rooms/room-fixture.ts'

forEachDatabase('timeline', (test) => {
  test('slices in both directions, by rank and position, without hidden events', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const other = await RoomFixture.create(store)
    // Positions 1 to 4 are the other room's; ranks of the first room are 1 to 8 at positions 5 to 12.
    await other.append(store, [other.event(), other.event(), other.event(), other.event()])
    const start = room.event()
    const events = [
      { event: start },
      ...(['accepted', 'rejected', 'accepted', 'soft-failed', 'accepted', 'accepted', 'accepted'] as const).map(
        (verdict) => ({ event: room.event({ prev: [start] }), verdict }),
      ),
    ]
    await room.append(store, events)
    const slice = (range: Partial<TimelineRange>) =>
      store.read(async (tx) => {
        const rows = await tx.events.timeline({ room: room.nid, direction: 'forwards', limit: 100, ...range })
        return rows.map(({ rank }) => rank)
      })
    assert.deepEqual(await slice({}), [1, 2, 4, 6, 7, 8])
    assert.deepEqual(await slice({ direction: 'backwards' }), [8, 7, 6, 4, 2, 1])
    assert.deepEqual(await slice({ afterRank: 2, limit: 2 }), [4, 6])
    assert.deepEqual(await slice({ beforeRank: 7, direction: 'backwards', limit: 2 }), [6, 4])
    assert.deepEqual(await slice({ afterRank: 2, beforeRank: 7 }), [4, 6])
    assert.deepEqual(await slice({ afterRank: 2, beforeRank: 8, direction: 'backwards' }), [7, 6, 4])
    assert.deepEqual(await slice({ untilPosition: 10 }), [1, 2, 4, 6])
    assert.deepEqual(await slice({ untilPosition: 10, direction: 'backwards', limit: 1 }), [6])
    assert.deepEqual(await slice({ untilPosition: 4 }), [])
    assert.deepEqual(await slice({ room: other.nid, direction: 'backwards' }), [4, 3, 2, 1])
  })

  test('positions and ranks translate into each other', async (open) => {
    const store = await open()
    const [room, other] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    await room.append(store, [room.event(), room.event()]) // 1, 2
    await other.append(store, [other.event()]) // 3
    await room.append(store, [room.event()]) // 4
    await store.read(async (tx) => {
      const ranks = [0, 1, 2, 3, 4, 5].map((position) => tx.events.rankAt(room.nid, position))
      assert.deepEqual(await Promise.all(ranks), [0, 1, 2, 2, 3, 3])
      const positions = [0, 1, 2, 3, 4].map((rank) => tx.events.positionAt(room.nid, rank))
      assert.deepEqual(await Promise.all(positions), [0, 1, 2, 4, 4])
      assert.equal(await tx.events.rankAt(other.nid, 2), 0)
    })
  })

  test('the event nearest to a time, ties by rank, hidden ones passed over', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const times = [500, 300, 300, 700, 900]
    const events = times.map((ts, i) => ({ event: room.event({ ts, prev: [], content: { i } }) }))
    await room.append(store, [...events.slice(0, 4), { ...events[4]!, verdict: 'rejected' }])
    const nearest = (ts: number, direction: 'forwards' | 'backwards') =>
      store.read(async (tx) => (await tx.events.nearestByTime(room.nid, ts, direction))?.rank ?? null)
    assert.equal(await nearest(300, 'forwards'), 2)
    assert.equal(await nearest(300, 'backwards'), 3)
    assert.equal(await nearest(301, 'forwards'), 1)
    assert.equal(await nearest(699, 'backwards'), 1)
    assert.equal(await nearest(9999, 'backwards'), 4)
    assert.equal(await nearest(701, 'forwards'), null)
    assert.equal(await nearest(299, 'backwards'), null)
  })
})
