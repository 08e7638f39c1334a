import assert from 'node:assert/strict'
import type { Event } from '#core/event/event.ts'
import type { Store } from '#store/store.ts'
import type { StateId } from '#store/types/state.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const accepted = (event: Event) => ({ event, verdict: 'accepted', stateBefore: 0 as StateId }) as const

const missing = (store: Store, room: RoomFixture, rank = Number.MAX_SAFE_INTEGER) =>
  store.read(async (tx) => (await tx.backwardExtremities.below(room.nid, rank, 9)).map((gap) => gap.missing))

const timeline = (store: Store, room: RoomFixture) =>
  store.read(async (tx) =>
    (await tx.events.timeline({ room: room.nid, direction: 'forwards', limit: 99 })).map(({ event }) => event.eventId),
  )

const ids = (events: readonly Event[]) => events.map(({ eventId }) => eventId)
const heads = (store: Store, room: RoomFixture) =>
  store.read(async (tx) => (await tx.rooms.extremities(room.nid)).map(({ eventId }) => eventId))

/** A room that this server joined late: it has the create event, and of five messages the last. */
async function joinedLate(store: Store) {
  const room = await RoomFixture.create(store)
  const create = room.state('m.room.create', '')
  const lost = Array.from({ length: 4 }, () => room.event({ auth: [create] }))
  const last = room.event({ auth: [create] })
  await store.write((tx) => tx.events.addOutliers(room.nid, [{ event: create, verdict: 'accepted' }]))
  const { events } = await room.append(store, [last])
  return { room, create, lost, last, rank: events[0]!.rank, nid: events[0]!.nid }
}

forEachDatabase('backward_extremities', (test) => {
  test('an event whose predecessors are unknown leaves room below', async (open) => {
    const store = await open()
    const { room, lost, last, rank, nid } = await joinedLate(store)
    assert.ok(rank > 2 ** 31)
    assert.deepEqual(await store.read((tx) => tx.backwardExtremities.below(room.nid, rank, 9)), [
      { missing: lost[3]!.eventId, citedBy: nid, rank },
    ])
    assert.deepEqual(await store.read((tx) => tx.backwardExtremities.below(room.nid, rank - 1, 9)), [])
    assert.deepEqual(await heads(store, room), [last.eventId])
    const { events } = await room.append(store, [room.event({ prev: [last] })])
    assert.equal(events[0]!.rank, rank + 1)
    assert.equal((await store.read((tx) => tx.rooms.byNid(room.nid)))?.rankMax, rank + 1)
  })

  test('whoever places an outlier, each writer finds it placed', async (open) => {
    const store = await open()
    const other = await open()
    const { room, create, lost, rank } = await joinedLate(store)
    const outlier = lost[3]!
    const citing = () => room.event({ prev: [outlier], auth: [create] })
    await store.write((tx) => tx.events.addOutliers(room.nid, [{ event: outlier, verdict: 'accepted' }]))
    // Each has seen it as an outlier: what appends, what does other writes, and another process.
    await room.append(store, [citing()])
    await store.write((tx) => room.appendIn(tx, [citing()]))
    await room.append(other, [citing()])
    const place = [outlier].map(accepted)
    await store.write((tx) => tx.events.addHistory({ roomNid: room.nid, beforeRank: rank, events: place }))
    const gaps = await missing(store, room)
    await room.append(store, [citing()])
    await store.write((tx) => room.appendIn(tx, [citing()]))
    await room.append(other, [citing()])
    assert.deepEqual(await missing(store, room), gaps)
    assert.equal(gaps.includes(outlier.eventId), false)
  })

  test('history fills a gap from above, and moves it', async (open) => {
    const store = await open()
    const { room, create, lost, last, rank, nid } = await joinedLate(store)
    const add = (events: readonly Event[], beforeRank: number) =>
      store.write((tx) => tx.events.addHistory({ roomNid: room.nid, beforeRank, events: events.map(accepted) }))
    const before = store.position()
    const first = await add(lost.slice(2), rank)
    assert.deepEqual(
      first.map((one) => one.rank),
      [rank - 2, rank - 1],
    )
    assert.deepEqual(await missing(store, room), [lost[1]!.eventId])
    // Again, with one more: what has its place keeps it.
    const again = await add(lost.slice(1), rank)
    assert.deepEqual(
      again.map((one) => one.rank),
      [rank - 3, rank - 2, rank - 1],
    )
    await add([create, lost[0]!], rank - 3)
    assert.deepEqual(await timeline(store, room), ids([create, ...lost, last]))
    assert.deepEqual(await missing(store, room), [])
    assert.equal(store.position(), before)
    await store.read(async (tx) => {
      const rows = await tx.events.byIds(ids([create, lost[3]!]))
      assert.deepEqual(
        rows.map(({ position }) => position),
        [null, null],
      )
      assert.deepEqual(
        await tx.events.prevOf([nid, rows[1]!.nid]),
        new Map([
          [nid, [rows[1]!.nid]],
          [rows[1]!.nid, [first[0]!.nid]],
        ]),
      )
      assert.notEqual(rows[0]!.stateAfter, 0)
      assert.equal(await tx.state.get(rows[0]!.stateAfter, 'm.room.create', ''), rows[0]!.nid)
    })
    assert.deepEqual(await heads(store, room), [last.eventId])
    const state = await store.read((tx) => tx.state.current(room.nid))
    assert.deepEqual(state, [])
  })

  test('two branches below one event both find room', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    await room.append(store, [create])
    const [left, right] = [room.event({ prev: [create] }), room.event({ prev: [create], sender: BOB })]
    const merge = room.event({ prev: [left, right] })
    const { events } = await room.append(store, [merge])
    const { rank } = events[0]!
    assert.deepEqual((await missing(store, room)).sort(), ids([left, right]).sort())
    for (const event of [left, right]) {
      await store.write((tx) =>
        tx.events.addHistory({ roomNid: room.nid, beforeRank: rank, events: [accepted(event)] }),
      )
    }
    assert.deepEqual(await timeline(store, room), ids([create, right, left, merge]))
    assert.deepEqual(await missing(store, room), [])
  })

  test('a missing event that comes live fills the gap, and is no extremity', async (open) => {
    const store = await open()
    const { room, create, lost, last, nid } = await joinedLate(store)
    const side = room.event({ prev: [create], sender: BOB })
    await room.append(store, [lost[3]!, side])
    assert.deepEqual((await heads(store, room)).sort(), ids([last, side]).sort())
    assert.deepEqual(await missing(store, room), ids([create, lost[2]!]))
    const row = await store.read((tx) => tx.events.byId(lost[3]!.eventId))
    assert.deepEqual(await store.read((tx) => tx.events.prevOf([nid])), new Map([[nid, [row!.nid]]]))
  })

  test('are left by no rejected event, and given up', async (open) => {
    const store = await open()
    const { room, lost } = await joinedLate(store)
    await room.append(store, [
      { event: room.event({ prev: [lost[0]!] }), verdict: 'rejected' },
      { event: room.event({ prev: [lost[1]!] }), verdict: 'soft-failed' },
    ])
    assert.deepEqual((await missing(store, room)).sort(), ids([lost[1]!, lost[3]!]).sort())
    await store.write(async (tx) => {
      for (const { eventId } of [lost[1]!, lost[3]!]) await tx.backwardExtremities.giveUp(room.nid, eventId)
    })
    assert.deepEqual(await missing(store, room), [])
  })

  test('are noted behind an event that can not be taken, which stays missing', async (open) => {
    const store = await open()
    const { room, lost, rank, nid } = await joinedLate(store)
    const dropped = lost[3]!.eventId
    const behind = ids(lost.slice(0, 2))
    const openBehind = () =>
      store.write((tx) => tx.backwardExtremities.openBehind(room.nid, dropped, [...behind, dropped]))
    assert.equal(await openBehind(), 2)
    assert.equal(await openBehind(), 0)
    assert.deepEqual((await missing(store, room)).sort(), [...behind, dropped].sort())
    const place = [lost[1]!].map(accepted)
    await store.write((tx) => tx.events.addHistory({ roomNid: room.nid, beforeRank: rank, events: place }))
    assert.deepEqual(new Set(await missing(store, room, rank)), new Set([behind[0], dropped]))
    assert.deepEqual(await store.read((tx) => tx.events.prevOf([nid])), new Map([[nid, []]]))
  })

  test('there is always room for one more, and none below the first event', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    const { events } = await room.append(store, [create])
    const earlier = { roomNid: room.nid, beforeRank: events[0]!.rank, events: [accepted(room.event({ prev: [] }))] }
    await assert.rejects(
      store.write((tx) => tx.events.addHistory(earlier)),
      RangeError,
    )
    const ranks: number[] = []
    for (let i = 0; i < 3; i++) {
      const gap = room.event({ prev: [room.event({ sender: ALICE })] })
      ranks.push((await room.append(store, [gap])).events[0]!.rank)
    }
    assert.ok(ranks[1]! - ranks[0]! > 2 ** 31 && ranks[2]! - ranks[1]! > 2 ** 31)
  })
})
