import assert from 'node:assert/strict'
import type { EventId, ServerName, UserId } from '#core/ids.ts'
import type { StateId } from '#store/types/state.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const [HERE, ELSEWHERE] = ['hearth.example', 'elsewhere.example'] as [ServerName, ServerName]
const DAVE = '@dave:elsewhere.example' as UserId

forEachDatabase('servers in rooms', (test) => {
  test('are counted by their joined members, now and at any position', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    await room.append(store, [
      room.state('m.room.create', ''),
      room.member(ALICE, 'join'),
      room.member(CAROL, 'invite'),
    ])
    await room.append(store, [room.member(CAROL, 'join'), room.member(DAVE, 'join'), room.member(BOB, 'join')])
    const resident = () => store.read(async (tx) => (await tx.rooms.byNid(room.nid))!.isResident)
    assert.equal(await resident(), true)
    await store.read(async (tx) => {
      assert.deepEqual(
        await tx.rooms.serversIn(room.nid),
        new Map([
          [ELSEWHERE, 2],
          [HERE, 2],
        ]),
      )
      assert.deepEqual(await tx.rooms.roomsWithServer(ELSEWHERE), [room.nid])
    })
    // A new display name is no new member.
    await room.append(store, [room.member(CAROL, 'join', { displayname: 'C' }), room.member(CAROL, 'leave')])
    await room.append(store, [room.member(DAVE, 'ban'), room.member(ALICE, 'leave'), room.member(BOB, 'leave')])
    assert.equal(await resident(), false)
    await store.read(async (tx) => {
      assert.deepEqual(await tx.rooms.serversIn(room.nid), new Map())
      assert.deepEqual(await tx.rooms.roomsWithServer(ELSEWHERE), [])
      const at = async (position: number) => [...(await tx.rooms.serversAt(room.nid, position))].sort()
      assert.deepEqual(await at(1), [])
      assert.deepEqual(await at(3), [HERE])
      assert.deepEqual(await at(4), [ELSEWHERE, HERE])
      assert.deepEqual(await at(8), [ELSEWHERE, HERE])
      assert.deepEqual(await at(9), [HERE])
      assert.deepEqual(await at(10), [HERE])
      assert.deepEqual(await at(11), [])
    })
  })

  test('come and go with a resolved state too', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const { events } = await room.append(store, [room.state('m.room.create', ''), room.member(ALICE, 'join')])
    const members = [CAROL, DAVE].map((user) => ({ event: room.member(user, 'join'), verdict: 'accepted' }) as const)
    const nids = await store.write((tx) => tx.events.addOutliers(room.nid, members))
    const state = await store.write((tx) =>
      tx.state.build(room.nid, [
        { type: 'm.room.create', stateKey: '', event: events[0]!.nid },
        { type: 'm.room.member', stateKey: CAROL, event: nids[0]! },
        { type: 'm.room.member', stateKey: DAVE, event: nids[1]! },
      ]),
    )
    await room.append(store, [], { currentState: state })
    await store.read(async (tx) => {
      assert.deepEqual(await tx.rooms.serversIn(room.nid), new Map([[ELSEWHERE, 2]]))
      assert.deepEqual(await tx.rooms.serversAt(room.nid, 2), new Set([HERE]))
      assert.equal((await tx.rooms.byNid(room.nid))?.isResident, false)
    })
  })

  test('a partial state and a version are kept with the room', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store, '10')
    const partial = { joinEvent: '$join' as EventId, servers: [ELSEWHERE] }
    await store.write(async (tx) => {
      await tx.rooms.setPartial(room.nid, partial)
      await tx.rooms.setVersion(room.nid, '11')
    })
    const row = await store.read((tx) => tx.rooms.byNid(room.nid))
    assert.deepEqual([row?.partial, row?.version], [partial, '11'])
    assert.deepEqual(await store.read((tx) => tx.rooms.partialRooms()), [row])
    const told = (eventId: string) => store.read((tx) => tx.rooms.claimedState(room.nid, eventId as EventId))
    const after = { after: [5, 7] as StateId[] }
    const before = { before: 9 as StateId }
    await store.write(async (tx) => {
      await tx.rooms.putClaimedState(room.nid, '$late' as EventId, after)
      await tx.rooms.putClaimedState(room.nid, '$later' as EventId, before)
    })
    assert.deepEqual([await told('$late'), await told('$later'), await told('$other')], [after, before, null])
    await store.write((tx) => tx.rooms.setPartial(room.nid, null))
    assert.deepEqual(await store.read((tx) => tx.rooms.partialRooms()), [])
    assert.equal(await told('$late'), null)
    // Events are read by the rules of the corrected version.
    const event = room.event({ type: 'm.room.redaction', content: { redacts: '$x' } })
    await store.write((tx) => tx.events.addOutliers(room.nid, [{ event, verdict: 'accepted' }]))
    const other = await open()
    assert.equal((await other.read((tx) => tx.events.byId(event.eventId)))?.event.redacts, '$x')
  })
})
