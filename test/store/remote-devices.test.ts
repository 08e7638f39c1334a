import assert from 'node:assert/strict'
import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import type { Store } from '#store/store.ts'
import type { RemoteDevice } from '#store/types/remote-devices.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const DAVE = '@dave:elsewhere.example' as UserId
const device = (deviceId: string): RemoteDevice => ({
  deviceId: deviceId as DeviceId,
  keys: { device_id: deviceId },
  displayName: null,
})

async function nids(store: Store, ...userIds: readonly UserId[]): Promise<UserNid[]> {
  return store.write(async (tx) => {
    const found: UserNid[] = []
    for (const userId of userIds) found.push(await tx.users.intern(userId))
    return found
  })
}

/** Begins to keep the list of a user, as fetched. */
async function keep(store: Store, user: UserNid, userId: UserId): Promise<void> {
  await store.write(async (tx) => {
    await tx.remoteDevices.markStale(user, userId)
    await tx.remoteDevices.replace({ userNid: user, streamId: 5, master: null, selfSigning: null, devices: [] }, 1)
  })
}

const isKept = async (store: Store, user: UserNid) =>
  (await store.read((tx) => tx.remoteDevices.lists([user]))).has(user)

forEachDatabase('device lists of other servers', (test) => {
  test('a list is fetched, changed and marked as stale again', async (open) => {
    const store = await open()
    const [carol] = (await nids(store, CAROL)) as [UserNid]
    const list = async () => (await store.read((tx) => tx.remoteDevices.lists([carol]))).get(carol)
    const nothing = { userNid: carol, master: null, selfSigning: null, devices: [] }
    assert.equal(await store.write((tx) => tx.remoteDevices.replace({ ...nothing, streamId: 1 }, 1)), false)
    assert.equal(await list(), undefined)
    await store.write((tx) => tx.remoteDevices.markStale(carol, CAROL))
    assert.deepEqual(await list(), { ...nothing, streamId: null, isStale: true })
    const fetched = { ...nothing, streamId: 7, master: { usage: ['master'] }, devices: [device('A'), device('B')] }
    assert.equal(await store.write((tx) => tx.remoteDevices.replace(fetched, 1)), true)
    assert.deepEqual(await list(), { ...fetched, isStale: false })
    await store.write(async (tx) => {
      await tx.remoteDevices.putDevice(carol, 8, 'A' as DeviceId, null)
      await tx.remoteDevices.putDevice(carol, 9, 'B' as DeviceId, { ...device('B'), keys: null, displayName: 'b' })
      await tx.remoteDevices.putDevice(carol, 10, 'C' as DeviceId, device('C'))
      await tx.remoteDevices.putSigningKeys(carol, { master: null, selfSigning: { usage: ['self_signing'] } })
    })
    const changed = {
      ...fetched,
      streamId: 10,
      selfSigning: { usage: ['self_signing'] },
      devices: [{ ...device('B'), keys: null, displayName: 'b' }, device('C')],
    }
    assert.deepEqual(await list(), { ...changed, isStale: false })
    await store.write((tx) => tx.remoteDevices.markStale(carol, CAROL))
    assert.deepEqual(await list(), { ...changed, isStale: true })
    await store.write((tx) => tx.remoteDevices.replace({ ...nothing, streamId: 11 }, 1))
    assert.deepEqual(await list(), { ...nothing, streamId: 11, isStale: false })
    await store.write((tx) => tx.remoteDevices.forget(carol))
    assert.equal(await list(), undefined)
  })

  test('a list that is marked while it is being fetched stays stale', async (open) => {
    const store = await open()
    const [carol] = (await nids(store, CAROL)) as [UserNid]
    const stale = () => store.read((tx) => tx.remoteDevices.staleLists('elsewhere.example' as ServerName, 9))
    await keep(store, carol, CAROL)
    assert.deepEqual(await stale(), [])
    await store.write((tx) => tx.remoteDevices.markStale(carol, CAROL))
    await store.write((tx) => tx.remoteDevices.markStale(carol, CAROL))
    const list = { userNid: carol, streamId: 6, master: null, selfSigning: null, devices: [device('A')] }
    assert.equal(await store.write((tx) => tx.remoteDevices.replace(list, 1)), true)
    assert.deepEqual(await stale(), [{ userNid: carol, userId: CAROL, marks: 2 }])
    await store.write((tx) => tx.remoteDevices.replace(list, 2))
    assert.deepEqual(await stale(), [])
  })

  test('a list that is begun anew is not made whole by an answer from before', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    await room.append(store, [room.member(ALICE, 'join'), room.member(CAROL, 'join')])
    const [carol] = (await nids(store, CAROL)) as [UserNid]
    const stale = () => store.read((tx) => tx.remoteDevices.staleLists('elsewhere.example' as ServerName, 9))
    await store.write((tx) => tx.remoteDevices.markStale(carol, CAROL))
    const [before] = await stale()
    await room.append(store, [room.member(CAROL, 'leave'), room.member(CAROL, 'join')])
    await store.write((tx) => tx.remoteDevices.markStale(carol, CAROL))
    const list = { userNid: carol, streamId: 6, master: null, selfSigning: null, devices: [] }
    await store.write((tx) => tx.remoteDevices.replace(list, before!.marks))
    const [after] = await stale()
    assert.equal(after?.userNid, carol)
    await store.write((tx) => tx.remoteDevices.replace(list, after!.marks))
    assert.deepEqual(await stale(), [])
  })

  test('stale lists are found by server', async (open) => {
    const store = await open()
    const other = '@eve:third.example' as UserId
    const [carol, dave, eve] = (await nids(store, CAROL, DAVE, other)) as [UserNid, UserNid, UserNid]
    await store.write(async (tx) => {
      await tx.remoteDevices.markStale(carol, CAROL)
      await tx.remoteDevices.markStale(dave, DAVE)
      await tx.remoteDevices.markStale(eve, other)
    })
    const [here, third] = ['elsewhere.example', 'third.example'] as [ServerName, ServerName]
    await store.read(async (tx) => {
      assert.deepEqual(await tx.remoteDevices.staleServers(9), [here, third])
      assert.deepEqual(await tx.remoteDevices.staleServers(1), [here])
      assert.deepEqual(await tx.remoteDevices.staleServers(9, here), [third])
      assert.deepEqual(await tx.remoteDevices.staleLists(here, 9), [
        { userNid: carol, userId: CAROL, marks: 1 },
        { userNid: dave, userId: DAVE, marks: 1 },
      ])
      assert.deepEqual(await tx.remoteDevices.staleLists(here, 1, carol), [{ userNid: dave, userId: DAVE, marks: 1 }])
    })
    const whole = { userNid: dave, streamId: 5, master: null, selfSigning: null, devices: [] }
    await store.write((tx) => tx.remoteDevices.replace(whole, 1))
    assert.deepEqual(await store.read((tx) => tx.remoteDevices.staleLists(here, 9)), [
      { userNid: carol, userId: CAROL, marks: 1 },
    ])
  })

  test('a list goes when its owner leaves the last room with somebody here', async (open) => {
    const store = await open()
    const [one, two, theirs] = [
      await RoomFixture.create(store),
      await RoomFixture.create(store),
      await RoomFixture.create(store),
    ]
    for (const room of [one, two]) await room.append(store, [room.member(ALICE, 'join'), room.member(CAROL, 'join')])
    // Nobody of this server is there.
    await theirs.append(store, [theirs.member(CAROL, 'join')])
    const [carol] = (await nids(store, CAROL)) as [UserNid]
    await keep(store, carol, CAROL)
    await one.append(store, [one.member(CAROL, 'leave')])
    assert.equal(await isKept(store, carol), true)
    await two.append(store, [two.member(CAROL, 'ban')])
    assert.equal(await isKept(store, carol), false)
  })

  test('lists go when the last user of this server leaves, if no other room is shared', async (open) => {
    const store = await open()
    const [one, two] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    await one.append(
      store,
      [ALICE, BOB, CAROL, DAVE].map((user) => one.member(user, 'join')),
    )
    await two.append(
      store,
      [ALICE, DAVE].map((user) => two.member(user, 'join')),
    )
    const [carol, dave] = (await nids(store, CAROL, DAVE)) as [UserNid, UserNid]
    await keep(store, carol, CAROL)
    await keep(store, dave, DAVE)
    await one.append(store, [one.member(ALICE, 'leave')])
    assert.deepEqual([await isKept(store, carol), await isKept(store, dave)], [true, true])
    await one.append(store, [one.member(BOB, 'leave')])
    assert.deepEqual([await isKept(store, carol), await isKept(store, dave)], [false, true])
    await two.append(store, [two.member(ALICE, 'leave')])
    assert.equal(await isKept(store, dave), false)
  })
})
