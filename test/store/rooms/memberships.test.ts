import assert from 'node:assert/strict'
import type { UserId } from '#core/ids.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

forEachDatabase('memberships', (test) => {
  test('a user has rooms by membership, without the forgotten ones', async (open) => {
    const store = await open()
    const [one, two, three] = [
      await RoomFixture.create(store),
      await RoomFixture.create(store),
      await RoomFixture.create(store),
    ]
    await one.append(store, [one.member(ALICE, 'join')])
    await two.append(store, [two.member(ALICE, 'invite')])
    await three.append(store, [three.member(ALICE, 'leave')])
    const alice = (await store.read((tx) => tx.users.nid(ALICE)))!
    const list = async (memberships: readonly ('join' | 'invite' | 'leave')[]) =>
      (await store.read((tx) => tx.memberships.ofUser(alice, memberships))).map(({ roomNid }) => roomNid)
    assert.deepEqual(await list(['join']), [one.nid])
    assert.deepEqual(await list(['join', 'invite', 'leave']), [one.nid, two.nid, three.nid])
    await store.write((tx) => tx.memberships.setForgotten(alice, three.nid))
    assert.deepEqual(await list(['leave']), [])
    assert.equal((await store.read((tx) => tx.memberships.one(alice, three.nid)))?.forgotten, true)
    // A new membership is not forgotten.
    await three.append(store, [three.member(ALICE, 'invite')])
    await three.append(store, [three.member(ALICE, 'leave')])
    assert.deepEqual(await list(['leave']), [three.nid])
  })

  test('this server is in a room since the first of its users who are still there joined', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const since = () => store.read((tx) => tx.memberships.localSince(room.nid))
    await store.write(async (tx) => {
      for (const userId of [ALICE, BOB]) {
        const userNid = await tx.users.intern(userId)
        await tx.accounts.create({ userNid, guest: false, admin: false, passwordHash: null, createdTs: 0 })
      }
    })
    await room.append(store, [room.member(CAROL, 'join')]) // position 1; Carol has no account here
    assert.equal(await since(), null)
    await room.append(store, [room.member(ALICE, 'join'), room.member(BOB, 'join')]) // 2, 3
    assert.equal(await since(), 2)
    await room.append(store, [room.member(ALICE, 'join', { displayname: 'A' })]) // 4
    assert.equal(await since(), 2)
    await room.append(store, [room.member(ALICE, 'leave')]) // 5
    assert.equal(await since(), 3)
  })

  test('what changed between two positions, a changed display name too', async (open) => {
    const store = await open()
    const [one, two] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    await one.append(store, [one.member(ALICE, 'join')]) // position 1
    await two.append(store, [two.member(BOB, 'join'), two.member(ALICE, 'join')]) // 2, 3
    await one.append(store, [one.member(ALICE, 'join', { displayname: 'A' })]) // 4
    await store.read(async (tx) => {
      const alice = (await tx.users.nid(ALICE))!
      const between = async (from: number, to: number) =>
        (await tx.memberships.ofUserBetween(alice, from, to)).map(({ roomNid, since, position }) => [
          roomNid,
          since,
          position,
        ])
      assert.deepEqual(await between(0, 4), [
        [two.nid, 3, 3],
        [one.nid, 1, 4],
      ])
      assert.deepEqual(await between(3, 4), [[one.nid, 1, 4]])
      assert.deepEqual(await between(4, 9), [])
      assert.equal((await tx.memberships.history(alice, one.nid)).length, 1)
    })
  })

  test('heroes are the first who joined or were invited, and those who left when nobody is there', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const users = Array.from({ length: 6 }, (_, i) => `@user${9 - i}:hearth.example` as UserId)
    await room.append(store, [
      room.member(ALICE, 'join'),
      ...users.map((user, i) => room.member(user, i % 2 ? 'invite' : 'join')),
    ])
    const heroes = (limit: number) =>
      store.read(async (tx) => {
        const nids = await tx.memberships.heroes(room.nid, (await tx.users.nid(ALICE))!, limit)
        const ids = await tx.users.userIds(nids)
        return nids.map((nid) => ids.get(nid))
      })
    assert.deepEqual(await heroes(5), users.slice(0, 5))
    // Who changes their name keeps their place; who leaves and comes back doesn't.
    await room.append(store, [room.member(users[0]!, 'join', { displayname: 'zero' }), room.member(users[2]!, 'leave')])
    await room.append(store, [room.member(users[2]!, 'join')])
    assert.deepEqual(await heroes(9), [users[0], users[1], users[3], users[4], users[5], users[2]])
    await room.append(
      store,
      users.map((user, i) => room.member(user, i % 2 ? 'leave' : 'ban')),
    )
    assert.deepEqual(await heroes(2), users.slice(0, 2))
  })

  test('users share a room when both are joined to it', async (open) => {
    const store = await open()
    const [one, two] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    await one.append(store, [one.member(ALICE, 'join'), one.member(BOB, 'join'), one.member(CAROL, 'invite')])
    await two.append(store, [two.member(ALICE, 'join'), two.member(BOB, 'join')])
    await store.read(async (tx) => {
      const [alice, bob, carol] = [await tx.users.nid(ALICE), await tx.users.nid(BOB), await tx.users.nid(CAROL)]
      assert.deepEqual(await tx.memberships.sharingRoomsWith(alice!), [bob])
      assert.deepEqual(await tx.memberships.sharingRoomsWith(carol!), [])
    })
  })
})
