import assert from 'node:assert/strict'
import type { Store } from '#store/store.ts'
import type { Membership } from '#store/types/memberships.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const STRIPPED = [{ type: 'm.room.name', state_key: '', sender: CAROL, content: { name: 'x\0' } }]

function setOutOfBand(store: Store, room: RoomFixture, membership: Membership) {
  const event = room.event({ type: 'm.room.member', sender: CAROL, stateKey: ALICE, content: { membership }, prev: [] })
  return store.write(async (tx) => {
    const user = await tx.users.intern(ALICE)
    const [eventNid] = await tx.events.addOutliers(room.nid, [{ event, verdict: 'accepted' }])
    const position = await tx.memberships.setOutOfBand({
      ...{ user, room: room.nid, membership, eventNid: eventNid! },
      stripped: STRIPPED,
    })
    return { user, eventNid: eventNid!, position }
  })
}

forEachDatabase('outside memberships', (test) => {
  test('are memberships with a position and a log entry of their own', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const { user, eventNid, position } = await setOutOfBand(store, room, 'invite')
    assert.equal(store.position(), position)
    await store.read(async (tx) => {
      const row = await tx.memberships.one(user, room.nid)
      const places = { since: position, position, forgotten: false }
      assert.deepEqual(row, { userNid: user, roomNid: room.nid, membership: 'invite', eventNid, ...places })
      assert.deepEqual(await tx.memberships.stripped(user, room.nid), STRIPPED)
      const entry = { position, kind: 'membership', roomNid: room.nid, userNid: user }
      assert.deepEqual(await tx.log.between(0, 9, 9), [entry])
      assert.equal((await tx.rooms.byNid(room.nid))?.isResident, false)
    })
    const left = await setOutOfBand(store, room, 'leave')
    await store.read(async (tx) => {
      assert.deepEqual(await tx.memberships.ofUserBetween(user, position, left.position), [
        await tx.memberships.one(user, room.nid),
      ])
      assert.deepEqual(
        (await tx.memberships.history(user, room.nid)).map((one) => one.membership),
        ['invite', 'leave'],
      )
      assert.deepEqual(await tx.memberships.counts(room.nid), { joined: 0, invited: 0 })
    })
  })

  test("end with the room's own copy, which counts on from them", async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const { user } = await setOutOfBand(store, room, 'invite')
    await room.append(store, [room.state('m.room.create', ''), room.member(BOB, 'join'), room.member(ALICE, 'join')])
    await store.read(async (tx) => {
      assert.equal(await tx.memberships.stripped(user, room.nid), null)
      assert.equal((await tx.memberships.one(user, room.nid))?.membership, 'join')
      assert.deepEqual(await tx.memberships.counts(room.nid), { joined: 2, invited: 0 })
    })
  })
})
