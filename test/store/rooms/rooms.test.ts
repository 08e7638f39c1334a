import assert from 'node:assert/strict'
import type { RoomAlias, RoomId, UserId } from '#core/ids.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, RoomFixture } from '#test/store/rooms/room-fixture.ts'

forEachDatabase('rooms', (test) => {
  test('a room is made once, empty', async (open) => {
    const store = await open()
    const roomId = '!a:hearth.example' as RoomId
    const nid = await store.write((tx) => tx.rooms.create(roomId, '10'))
    await assert.rejects(store.write((tx) => tx.rooms.create(roomId, '10')))
    await store.read(async (tx) => {
      const row = await tx.rooms.byId(roomId)
      assert.deepEqual(row, {
        nid,
        roomId,
        version: '10',
        headSeq: 0,
        stateId: 0,
        rankMax: 0,
        lastPosition: 0,
        published: false,
        isResident: false,
        partial: null,
      })
      assert.deepEqual(await tx.rooms.byNid(nid), row)
      assert.equal(await tx.rooms.byId('!b:hearth.example' as RoomId), null)
      assert.equal(await tx.rooms.byNid(99 as RoomNid), null)
      assert.deepEqual(await tx.rooms.extremities(nid), [])
    })
  })

  test('ids of rooms by number; that of a room taken back is given to the next', async (open) => {
    const store = await open()
    const ids = ['!a:hearth.example', '!b:hearth.example', '!c:hearth.example'] as RoomId[]
    const a = await store.write((tx) => tx.rooms.create(ids[0]!, '10'))
    const lost = store.write(async (tx) => {
      const nid = await tx.rooms.create(ids[1]!, '10')
      assert.deepEqual(await tx.rooms.roomIds([nid]), new Map([[nid, ids[1]]]))
      throw new Error('changed my mind')
    })
    await assert.rejects(lost, /changed my mind/)
    const c = await store.write((tx) => tx.rooms.create(ids[2]!, '10'))
    await store.read(async (tx) => {
      const found = await tx.rooms.roomIds([c, a, 99 as RoomNid])
      assert.deepEqual(
        found,
        new Map([
          [a, ids[0]],
          [c, ids[2]],
        ]),
      )
    })
  })

  test('aliases belong to one room, and can be taken away', async (open) => {
    const store = await open()
    const [one, two] = [await RoomFixture.create(store), await RoomFixture.create(store)]
    const alias = '#b:hearth.example' as RoomAlias
    const other = '#a:hearth.example' as RoomAlias
    assert.equal(await store.write((tx) => tx.rooms.putAlias(alias, one.nid, ALICE)), true)
    assert.equal(await store.write((tx) => tx.rooms.putAlias(alias, two.nid, BOB)), false)
    assert.equal(await store.write((tx) => tx.rooms.putAlias(other, one.nid, BOB)), true)
    await store.read(async (tx) => {
      const row = { alias, roomNid: one.nid, creator: ALICE }
      assert.deepEqual(await tx.rooms.alias(alias), row)
      assert.deepEqual(await tx.rooms.aliases(one.nid), [{ alias: other, roomNid: one.nid, creator: BOB }, row])
      assert.deepEqual(await tx.rooms.aliases(two.nid), [])
    })
    await store.write((tx) => tx.rooms.deleteAlias(alias))
    await store.write((tx) => tx.rooms.deleteAlias(alias))
    assert.equal(await store.read((tx) => tx.rooms.alias(alias)), null)
    assert.equal(await store.write((tx) => tx.rooms.putAlias(alias, two.nid, BOB)), true)
  })

  test('published rooms come in pages, those with most members first', async (open) => {
    const store = await open()
    const rooms: RoomFixture[] = []
    for (const joined of [1, 3, 0, 3, 2, 5]) {
      const room = await RoomFixture.create(store)
      const users = Array.from({ length: joined }, (_, i) => `@u${i}:hearth.example` as UserId)
      await room.append(store, [room.event(), ...users.map((user) => room.member(user, 'join'))])
      rooms.push(room)
    }
    for (const room of rooms.slice(0, 5)) await store.write((tx) => tx.rooms.setPublished(room.nid, true))
    await store.read(async (tx) => {
      assert.equal(await tx.rooms.publishedCount(), 5)
      const pages: [RoomNid, number][][] = []
      let after: { joined: number; nid: RoomNid } | null = null
      for (;;) {
        const page: { room: { nid: RoomNid; published: boolean }; joined: number }[] = await tx.rooms.published(
          2,
          after,
        )
        if (page.length === 0) break
        assert.ok(page.every(({ room }) => room.published))
        pages.push(page.map(({ room, joined }) => [room.nid, joined]))
        after = { joined: page.at(-1)!.joined, nid: page.at(-1)!.room.nid }
      }
      const expected = [1, 3, 4, 0, 2].map((i): [RoomNid, number] => [rooms[i]!.nid, [1, 3, 0, 3, 2][i]!])
      assert.deepEqual(pages, [expected.slice(0, 2), expected.slice(2, 4), expected.slice(4)])
    })
    await store.write((tx) => tx.rooms.setPublished(rooms[1]!.nid, false))
    assert.equal(await store.read((tx) => tx.rooms.publishedCount()), 4)
  })
})
