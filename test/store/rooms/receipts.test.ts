import assert from 'node:assert/strict'
import type { EventId } from '#core/ids.ts'
import type { ReceiptRow } from '#store/types/receipts.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, RoomFixture } from '#test/store/rooms/room-fixture.ts'

forEachDatabase('receipts', (test) => {
  test('move forward only, each kind and thread for itself', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const [alice, bob] = await store.write(async (tx) => [await tx.users.intern(ALICE), await tx.users.intern(BOB)])
    const put = (receipt: Partial<ReceiptRow> & { rank: number }) =>
      store.write((tx) =>
        tx.receipts.put({
          roomNid: room.nid,
          userNid: alice,
          type: 'm.read',
          threadId: null,
          eventId: `$e${receipt.rank}` as EventId,
          ts: receipt.rank * 10,
          ...receipt,
        }),
      )
    assert.equal(await put({ rank: 5 }), true) // position 1
    assert.equal(await put({ rank: 5, eventId: '$other' as EventId }), false)
    assert.equal(await put({ rank: 4 }), false)
    assert.equal(await put({ rank: 3, threadId: 'main' }), true) // 2
    assert.equal(await put({ rank: 2, threadId: '$root' }), true) // 3
    assert.equal(await put({ rank: 4, type: 'm.read.private' }), true) // 4
    assert.equal(await put({ rank: 1, userNid: bob }), true) // 5
    assert.equal(await put({ rank: 9 }), true) // 6
    assert.equal(store.position(), 6)

    await store.read(async (tx) => {
      const own = await tx.receipts.ofUser(room.nid, alice)
      assert.deepEqual(
        new Set(
          own.map(({ type, threadId, eventId, rank, ts, position }) =>
            [type, threadId, eventId, rank, ts, position].join(),
          ),
        ),
        new Set([
          'm.read,,$e9,9,90,6',
          'm.read,main,$e3,3,30,2',
          'm.read,$root,$e2,2,20,3',
          'm.read.private,,$e4,4,40,4',
        ]),
      )
      assert.equal(own.find(({ position }) => position === 6)?.threadId, null)
      const between = async (viewer: typeof alice, from: number, to: number) =>
        (await tx.receipts.ofRoomBetween(room.nid, viewer, from, to)).map(({ position }) => position)
      assert.deepEqual(await between(alice, 0, 9), [2, 3, 4, 5, 6])
      assert.deepEqual(await between(bob, 0, 9), [2, 3, 5, 6])
      assert.deepEqual(await between(bob, 3, 5), [5])
      const newest = async (viewer: typeof alice, from: number, most: number) =>
        (await tx.receipts.newestBetween(room.nid, viewer, from, 9, most)).map(({ position }) => position)
      assert.deepEqual(await newest(bob, 0, 2), [3, 5, 6])
      assert.deepEqual(await newest(bob, 5, 2), [6])
      assert.deepEqual(await newest(alice, 0, 0), [2, 3, 4, 6])
      assert.deepEqual(await newest(alice, 3, 9), [4, 5, 6])
      const entries = await tx.log.between(3, 6, 9)
      assert.deepEqual(
        entries.map(({ kind, roomNid, userNid }) => [kind, roomNid, userNid]),
        [
          ['receipt', room.nid, alice],
          ['receipt', room.nid, null],
          ['receipt', room.nid, null],
        ],
      )
    })
  })
})
