import assert from 'node:assert/strict'
import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import type { StateId } from '#store/types/state.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const [A, B] = ['a.example', 'b.example'] as [ServerName, ServerName]
const [ROOM, OTHER] = ['!room:a.example', '!other:a.example'] as [RoomId, RoomId]
/** The harness's clock. */
const NOW = 1_700_000_000_000

forEachDatabase('inbound', (test) => {
  test('a transaction keeps its answer until it is forgotten', async (open) => {
    const store = await open()
    const answer = { pdus: { $event: { error: 'no\0' } } }
    await store.write((tx) => tx.inbound.putTransaction(A, '1', answer))
    await store.read(async (tx) => {
      assert.deepEqual(await tx.inbound.transaction(A, '1'), answer)
      assert.equal(await tx.inbound.transaction(B, '1'), null)
    })
    await store.write((tx) => tx.inbound.putTransaction(A, '1', { pdus: {} }))
    assert.deepEqual(await store.read((tx) => tx.inbound.transaction(A, '1')), { pdus: {} })
    assert.equal(await store.write((tx) => tx.inbound.forgetTransactions(NOW)), 0)
    assert.equal(await store.write((tx) => tx.inbound.forgetTransactions(NOW + 1)), 1)
    assert.equal(await store.read((tx) => tx.inbound.transaction(A, '1')), null)
  })

  test('staged events come out in order, of all rooms or of one, of all servers or of one', async (open) => {
    const store = await open()
    const [first, second] = await store.write((tx) => tx.inbound.stage(ROOM, A, ['{"n":1}', '{"n":"\\u0000"}']))
    const [third] = await store.write((tx) => tx.inbound.stage(OTHER, B, ['{"n":3}']))
    const [fourth] = await store.write((tx) => tx.inbound.stage(ROOM, B, ['{"n":4}']))
    await store.read(async (tx) => {
      const staged = await tx.inbound.staged(9)
      assert.deepEqual(staged, [
        { id: first, roomId: ROOM, origin: A, json: '{"n":1}', receivedTs: NOW },
        { id: second, roomId: ROOM, origin: A, json: '{"n":"\\u0000"}', receivedTs: NOW },
        { id: third, roomId: OTHER, origin: B, json: '{"n":3}', receivedTs: NOW },
        { id: fourth, roomId: ROOM, origin: B, json: '{"n":4}', receivedTs: NOW },
      ])
      const ids = async (...page: Parameters<typeof tx.inbound.staged>) =>
        (await tx.inbound.staged(...page)).map(({ id }) => id)
      assert.deepEqual(await ids(1), [first])
      assert.deepEqual(await ids(9, { afterId: first! }), [second, third, fourth])
      assert.deepEqual(await ids(9, { roomId: OTHER }), [third])
      assert.deepEqual(await ids(9, { roomId: ROOM, afterId: first! }), [second, fourth])
      assert.deepEqual(await ids(9, { roomId: ROOM, origin: A }), [first, second])
      assert.deepEqual(await ids(9, { origin: B, afterId: third! }), [fourth])
      assert.deepEqual([await tx.inbound.stagedCount(), await tx.inbound.stagedCount(A)], [4, 2])
    })
    await store.write((tx) => tx.inbound.unstage([first!, third!]))
    assert.deepEqual(
      (await store.read((tx) => tx.inbound.staged(9))).map(({ id }) => id),
      [second, fourth],
    )
  })

  test('events that were left out of states are kept until they are taken, or old', async (open) => {
    const store = await open()
    const [room, other] = await store.write(async (tx) => [
      await tx.rooms.create(ROOM, '11'),
      await tx.rooms.create(OTHER, '11'),
    ])
    const event = { state: 7 as StateId, isInState: true, via: A, json: '{"n":"\\u0000"}' }
    const first = { ...event, eventId: '$a' as EventId }
    const second = { ...event, eventId: '$b' as EventId, isInState: false, json: null }
    const later = { ...first, state: 8 as StateId }
    await store.write((tx) => tx.inbound.putLeftOut(room!, [later, second, first, { ...first, via: B }]))
    await store.write((tx) => tx.inbound.putLeftOut(other!, [first]))
    await store.read(async (tx) => {
      assert.deepEqual(await tx.inbound.roomsWithLeftOut(), [room, other])
      assert.deepEqual(await tx.inbound.leftOut(room!, 9), [first, second, later])
      assert.deepEqual(await tx.inbound.leftOut(room!, 1), [first])
    })
    await store.write((tx) => tx.inbound.dropLeftOut(room!, [first.eventId]))
    assert.deepEqual(await store.read((tx) => tx.inbound.leftOut(room!, 9)), [second])
    await store.write((tx) => tx.inbound.forgetLeftOut(NOW))
    assert.deepEqual(await store.read((tx) => tx.inbound.leftOut(other!, 9)), [first])
    await store.write((tx) => tx.inbound.forgetLeftOut(NOW + 1))
    assert.deepEqual(await store.read((tx) => tx.inbound.roomsWithLeftOut()), [])
  })
})
