import assert from 'node:assert/strict'
import type { Event } from '#core/event/event.ts'
import type { Store } from '#store/store.ts'
import type { EventNid } from '#store/types/events.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const accepted = (event: Event) => ({ event, verdict: 'accepted' }) as const

/** A room's first events, made but not stored. */
function beginning(room: RoomFixture) {
  const create = room.state('m.room.create', '')
  const join = room.event({ type: 'm.room.member', stateKey: ALICE, content: { membership: 'join' }, auth: [create] })
  const levels = room.event({ type: 'm.room.power_levels', stateKey: '', auth: [create, join] })
  return { create, join, levels }
}

const generations = (store: Store, nids: readonly EventNid[]) =>
  store.read(async (tx) => {
    const rows = await tx.events.authOf(nids)
    return nids.map((nid) => [rows.get(nid)?.generation, ...(rows.get(nid)?.auth ?? [])])
  })

forEachDatabase('outliers', (test) => {
  test('have no place in the timeline, and are stored once', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const { create, join, levels } = beginning(room)
    const refused = room.event({ auth: [create] })
    const list = [accepted(create), accepted(join), accepted(levels)]
    const nids = await store.write((tx) => tx.events.addOutliers(room.nid, list))
    const again = [...list, { event: refused, verdict: 'rejected', reason: 'rule 8' } as const, accepted(create)]
    const all = await store.write((tx) => tx.events.addOutliers(room.nid, again))
    assert.deepEqual(all, [...nids, all[3], nids[0]])
    assert.equal(store.position(), 0)
    await store.read(async (tx) => {
      const rows = await tx.events.byIds([create, refused].map(({ eventId }) => eventId))
      assert.deepEqual(
        rows.map(({ nid, position, rank, stateBefore, stateAfter, rejected }) => [
          ...[nid, position, rank, stateBefore, stateAfter, rejected],
        ]),
        [
          [nids[0], null, null, 0, 0, false],
          [all[3], null, null, 0, 0, true],
        ],
      )
      assert.equal(await tx.events.rejectionReason(all[3]!), 'rule 8')
      assert.deepEqual(await tx.events.timeline({ room: room.nid, direction: 'forwards', limit: 9 }), [])
      assert.deepEqual(await tx.rooms.extremities(room.nid), [])
      const known = await tx.events.known([levels.eventId, refused.eventId, '$unknown' as never])
      const common = { roomNid: room.nid, isOutlier: true, softFailed: false }
      assert.deepEqual(
        known,
        new Map([
          [levels.eventId, { ...common, nid: nids[2], rejected: false }],
          [refused.eventId, { ...common, nid: all[3], rejected: true }],
        ]),
      )
    })
    const [one, two, three] = nids
    assert.deepEqual(await generations(store, nids), [[0], [1, one], [2, one, two]])
    assert.ok(three)
  })

  test('that came alone learn of their auth events', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const { create, join, levels } = beginning(room)
    const [alone] = await store.write((tx) => tx.events.addOutliers(room.nid, [accepted(levels)]))
    assert.deepEqual(await generations(store, [alone!]), [[1]])
    const all = [create, join, levels].map(accepted)
    const nids = await store.write((tx) => tx.events.addOutliers(room.nid, all))
    assert.equal(nids[2], alone)
    // They were stored later than the event that cites them.
    assert.deepEqual(await generations(store, [alone!]), [[2, nids[0], nids[1]]])
    const citing = room.event({ auth: [levels] })
    const [last] = await store.write((tx) => tx.events.addOutliers(room.nid, [accepted(citing)]))
    assert.deepEqual(await generations(store, [last!]), [[3, alone]])
  })

  test('that cite one that came alone come after what this one cites', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const { create, join, levels } = beginning(room)
    const citing = room.event({ auth: [levels] })
    const early = await store.write((tx) => tx.events.addOutliers(room.nid, [levels, citing].map(accepted)))
    assert.deepEqual(await generations(store, early), [[1], [2, early[0]]])
    const all = [create, join, levels, citing].map(accepted)
    const nids = await store.write((tx) => tx.events.addOutliers(room.nid, all))
    assert.deepEqual(await generations(store, early), [
      [2, nids[0], nids[1]],
      [3, early[0]],
    ])
  })

  test('become timeline events with their numbers, and lose an old verdict', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const { create, join, levels } = beginning(room)
    const list = [accepted(create), accepted(join), { event: levels, verdict: 'rejected', reason: 'rule 8' } as const]
    const nids = await store.write((tx) => tx.events.addOutliers(room.nid, list))
    const { events, stateId } = await room.append(store, [create, join, levels])
    assert.deepEqual(
      events.map(({ nid, position, rank, generation }) => [nid, position, rank, generation]),
      nids.map((nid, i) => [nid, i + 1, i + 1, i]),
    )
    await store.read(async (tx) => {
      const row = (await tx.events.byId(levels.eventId))!
      assert.deepEqual([row.rejected, row.rank, row.position, row.stateAfter], [false, 3, 3, stateId])
      assert.equal(await tx.events.rejectionReason(row.nid), null)
      assert.deepEqual(await tx.events.prevOf([nids[2]!]), new Map([[nids[2], [nids[1]]]]))
      assert.deepEqual(await tx.backwardExtremities.below(room.nid, 9, 9), [])
      assert.deepEqual(
        (await tx.rooms.extremities(room.nid)).map(({ nid }) => nid),
        [nids[2]],
      )
      assert.equal((await tx.events.known([levels.eventId])).get(levels.eventId)?.isOutlier, false)
    })
    await assert.rejects(room.append(store, [levels]), /in the timeline already/)
  })

  test('a rejected event may lack auth events, an accepted one of the timeline may not', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const { create, join } = beginning(room)
    await room.append(store, [create])
    const next = room.event({ prev: [create], auth: [create, join], sender: CAROL })
    const explicit = { event: next, stateBefore: 'previous', verdict: 'accepted' } as const
    await assert.rejects(room.append(store, [explicit]), /not stored/)
    const { events } = await room.append(store, [{ ...explicit, verdict: 'rejected' }])
    assert.equal((await generations(store, [events[0]!.nid]))[0]![0], 1)
  })
})
