import assert from 'node:assert/strict'
import type { LogKind } from '#store/types/log.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const KINDS: readonly LogKind[] = [
  'event',
  'receipt',
  'account_data',
  'profile',
  'device_list',
  'to_device',
  'membership',
]

forEachDatabase('log', (test) => {
  test('entries have consecutive positions, and are read in pages', async (open) => {
    const store = await open()
    const roomNid = 3 as RoomNid
    const userNid = 4 as UserNid
    const positions = await store.write(async (tx) => {
      const given: number[] = []
      for (const kind of KINDS) given.push(await tx.log.append(kind, { userNid }))
      given.push(await tx.log.append('event', { roomNid }), await tx.log.append('account_data', { roomNid, userNid }))
      return given
    })
    assert.deepEqual(positions, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    await store.read(async (tx) => {
      const kinds = (await tx.log.between(0, 7, 99)).map(({ kind }) => kind)
      assert.deepEqual(kinds, KINDS)
      assert.deepEqual(await tx.log.between(7, 9, 99), [
        { position: 8, kind: 'event', roomNid, userNid: null },
        { position: 9, kind: 'account_data', roomNid, userNid },
      ])
      assert.deepEqual(
        (await tx.log.between(2, 9, 3)).map(({ position }) => position),
        [3, 4, 5],
      )
      assert.deepEqual(await tx.log.between(9, 99, 99), [])
      assert.equal(await tx.position(), 9)
    })
  })

  test('a follower goes on where it stood, after a restart too', async (open) => {
    const store = await open()
    assert.equal(await store.read((tx) => tx.log.followerPosition('unread')), 0)
    await store.write((tx) => tx.log.setFollowerPosition('unread', 5))
    await store.write((tx) => tx.log.setFollowerPosition('unread', 8))
    await store.write((tx) => tx.log.setFollowerPosition('search', 2))
    const again = await open()
    assert.equal(await again.read((tx) => tx.log.followerPosition('unread')), 8)
    // Following is no news to anyone.
    assert.equal(store.position(), 0)
  })
})
