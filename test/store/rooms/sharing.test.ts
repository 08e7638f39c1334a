import assert from 'node:assert/strict'
import type { EventId, ServerName, UserId } from '#core/ids.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const DAVE = '@dave:elsewhere.example' as UserId

async function numbers(
  store: Store,
): Promise<{ all: UserNid[]; alice: UserNid; bob: UserNid; carol: UserNid; dave: UserNid }> {
  const all = await store.write(async (tx) => {
    const found: UserNid[] = []
    for (const userId of [ALICE, BOB, CAROL, DAVE]) found.push(await tx.users.intern(userId))
    return found
  })
  const [alice, bob, carol, dave] = all as [UserNid, UserNid, UserNid, UserNid]
  return { all, alice, bob, carol, dave }
}

forEachDatabase('who shares rooms', (test) => {
  test('those who are joined together, now and since when', async (open) => {
    const store = await open()
    const { all, alice, bob, carol, dave } = await numbers(store)
    const [one, two] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    await one.append(store, [one.member(ALICE, 'join'), one.member(BOB, 'join'), one.member(CAROL, 'invite')])
    const first = store.position()
    await two.append(store, [two.member(CAROL, 'join'), two.member(DAVE, 'join')])
    await two.append(store, [two.member(ALICE, 'join')])
    const second = store.position()
    const ask = <T>(question: (tx: ReadTx) => Promise<T>) => store.read(question)
    assert.deepEqual(await ask((tx) => tx.sharing.withUser(alice, all)), [alice, bob, carol, dave])
    assert.deepEqual(await ask((tx) => tx.sharing.withUser(bob, all)), [alice, bob])
    assert.deepEqual(await ask((tx) => tx.sharing.withUser(carol, [bob])), [])
    assert.deepEqual(await ask((tx) => tx.sharing.withUser(alice, [])), [])
    assert.deepEqual(await ask((tx) => tx.sharing.withUserSince(alice, all, first)), [alice, bob])
    assert.deepEqual(await ask((tx) => tx.sharing.withUserSince(alice, all, second - 1)), [alice, bob])
    assert.deepEqual(await ask((tx) => tx.sharing.withUserSince(carol, all, second - 1)), [carol, dave])
    assert.deepEqual(await ask((tx) => tx.sharing.withUserSince(alice, all, second)), [alice, bob, carol, dave])
    await two.append(store, [two.member(ALICE, 'leave')])
    assert.deepEqual(await ask((tx) => tx.sharing.withUser(alice, all)), [alice, bob])
    assert.deepEqual(await ask((tx) => tx.sharing.withAnyone(all)), [alice, bob])
  })

  test('who newly shares an encrypted room, and which rooms became encrypted', async (open) => {
    const store = await open()
    const { alice, bob, carol } = await numbers(store)
    const [plain, secret] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    await plain.append(
      store,
      [ALICE, BOB, CAROL].map((user) => plain.member(user, 'join')),
    )
    await secret.append(store, [secret.state('m.room.encryption', ''), secret.member(ALICE, 'join')])
    const before = store.position()
    await secret.append(store, [secret.member(BOB, 'join')])
    const joined = store.position()
    await plain.append(store, [plain.state('m.room.encryption', '')])
    const encrypted = store.position()
    await plain.append(store, [plain.member(BOB, 'leave')])

    const newly = (position: number) =>
      store.read((tx) => tx.sharing.newlyEncryptedWithUser(alice, [bob, carol], position))
    assert.deepEqual(await newly(before), [bob, carol])
    assert.deepEqual(await newly(joined), [carol])
    assert.deepEqual(await newly(encrypted), [])
    for (const to of [store.position(), null]) {
      const rooms = (after: number, user = alice) => store.read((tx) => tx.sharing.encryptedSince(user, after, to))
      assert.deepEqual(await rooms(joined), [plain.nid])
      assert.deepEqual(await rooms(encrypted), [])
      assert.deepEqual(await rooms(joined, bob), [])
    }
  })

  test('whose memberships began after a position, in the rooms of a user', async (open) => {
    const store = await open()
    const { alice, bob, carol } = await numbers(store)
    const [one, other] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    await one.append(store, [one.member(ALICE, 'join'), one.member(BOB, 'join')])
    const before = store.position()
    await other.append(store, [other.member(CAROL, 'join')])
    await one.append(store, [one.member(CAROL, 'join'), one.member(BOB, 'join', { displayname: 'B' })])
    await one.append(store, [one.member(BOB, 'leave')])
    const found = await store.read((tx) => tx.sharing.newMemberships(alice, before))
    assert.deepEqual(
      new Set(found.map(({ roomNid, userNid }) => `${roomNid} ${userNid}`)),
      new Set([`${one.nid} ${bob}`, `${one.nid} ${carol}`]),
    )
    const logged = await store.read((tx) => tx.sharing.loggedMemberships(before, store.position()))
    assert.deepEqual(
      new Set(logged.map(({ roomNid, userNid }) => `${roomNid} ${userNid}`)),
      new Set([`${one.nid} ${bob}`, `${one.nid} ${carol}`, `${other.nid} ${carol}`]),
    )
    assert.deepEqual(await store.read((tx) => tx.sharing.newMemberships(carol, store.position())), [])
  })

  test('who was joined at a position', async (open) => {
    const store = await open()
    const { alice, bob, carol } = await numbers(store)
    const room = await RoomFixture.create(store)
    await room.append(store, [room.member(ALICE, 'join'), room.member(BOB, 'invite')])
    const invited = store.position()
    await room.append(store, [room.member(BOB, 'join'), room.member(CAROL, 'join')])
    const joined = store.position()
    await room.append(store, [room.member(ALICE, 'leave'), room.member(ALICE, 'join')])
    const at = async (position: number, candidates?: UserNid[]) =>
      (await store.read((tx) => tx.sharing.joinedAt(room.nid, position, candidates))).sort((a, b) => a - b)
    assert.deepEqual(await at(0), [])
    assert.deepEqual(await at(invited), [alice])
    assert.deepEqual(await at(joined), [alice, bob, carol])
    assert.deepEqual(await at(joined + 1), [bob, carol])
    assert.deepEqual(await at(joined + 1, [alice, bob]), [bob])
    assert.deepEqual(await at(store.position(), [alice]), [alice])
    assert.deepEqual(await at(joined, []), [])
  })

  test('which servers share rooms with a user, and when they came', async (open) => {
    const store = await open()
    const { alice, bob } = await numbers(store)
    const [one, two] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    await one.append(store, [one.member(ALICE, 'join')])
    await one.append(store, [one.member(CAROL, 'join')])
    const came = store.position()
    await one.append(store, [one.member(DAVE, 'join')])
    const [here, elsewhere, far] = ['hearth.example', 'elsewhere.example', 'far.example'] as ServerName[]
    const partial = { joinEvent: '$join' as EventId, servers: [elsewhere!, far!] }
    await store.write((tx) => tx.rooms.setPartial(two.nid, partial))
    const servers = async (user: UserNid) => (await store.read((tx) => tx.sharing.serversWithUser(user))).sort()
    assert.deepEqual(await servers(alice), [elsewhere, here])
    assert.deepEqual(await servers(bob), [])
    await two.append(store, [two.member(ALICE, 'join')])
    assert.deepEqual(await servers(alice), [elsewhere, far, here])
    await store.read(async (tx) => {
      assert.deepEqual(await tx.sharing.arrivals(one.nid, came), [elsewhere])
      assert.deepEqual(await tx.sharing.arrivals(one.nid, came + 1), [])
    })
  })

  test('who of this server is in a room', async (open) => {
    const store = await open()
    const { alice, bob } = await numbers(store)
    await store.write(async (tx) => {
      for (const userNid of [alice, bob]) {
        await tx.accounts.create({ userNid, passwordHash: null, admin: false, guest: false, createdTs: 1 })
      }
    })
    const room = await RoomFixture.create(store)
    await room.append(store, [room.member(ALICE, 'join'), room.member(BOB, 'invite'), room.member(CAROL, 'join')])
    assert.deepEqual(await store.read((tx) => tx.sharing.localMembers(room.nid)), [alice])
  })
})
