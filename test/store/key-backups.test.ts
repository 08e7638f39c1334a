import assert from 'node:assert/strict'
import type { RoomId, UserId } from '#core/ids.ts'
import type { Store } from '#store/store.ts'
import type { BackedUpKey } from '#store/types/key-backups.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const [ROOM, OTHER] = ['!room:x', '!other:x'] as [RoomId, RoomId]
const BACKUP = { algorithm: 'a', authData: { odd: '\0' } }

const newUser = (store: Store, name = 'alice') =>
  store.write((tx) => tx.users.intern(`@${name}:hearth.example` as UserId))
const create = (store: Store, user: UserNid) => store.write((tx) => tx.keyBackups.create(user, BACKUP))
const key = (roomId: RoomId, sessionId: string, firstMessageIndex = 1): BackedUpKey => {
  return { roomId, sessionId, firstMessageIndex, isVerified: true, forwardedCount: 2, sessionData: { odd: '\0' } }
}

forEachDatabase('key backups', (test) => {
  test('have versions that are never used twice', async (open) => {
    const store = await open()
    const alice = await newUser(store)
    const bob = await newUser(store, 'bob')
    assert.equal(await store.read((tx) => tx.keyBackups.current(alice)), null)
    assert.deepEqual([await create(store, alice), await create(store, alice), await create(store, bob)], [1, 2, 1])
    const remove = (version: number) => store.write((tx) => tx.keyBackups.delete(alice, version))
    assert.deepEqual([await remove(2), await remove(2), await remove(3)], [true, true, false])
    assert.deepEqual(await store.read((tx) => tx.keyBackups.current(alice)), {
      version: 1,
      ...BACKUP,
      etag: 0,
      count: 0,
    })
    assert.equal(await store.read((tx) => tx.keyBackups.get(alice, 2)), null)
    assert.equal(await store.write((tx) => tx.keyBackups.lock(alice, 2)), null)
    assert.equal(await create(store, alice), 3)
    await store.write((tx) => tx.keyBackups.setAuthData(alice, 3, { n: 1 }))
    assert.deepEqual((await store.write((tx) => tx.keyBackups.lock(alice, 3)))?.authData, { n: 1 })
  })

  test('hold keys, count them, and count their changes', async (open) => {
    const store = await open()
    const alice = await newUser(store)
    const version = await create(store, alice)
    const all = [key(OTHER, 'a'), key(ROOM, 'a'), key(ROOM, 'b')]
    await store.write((tx) => tx.keyBackups.putKeys(alice, version, all, 3))
    await store.write((tx) => tx.keyBackups.putKeys(alice, version, [key(ROOM, 'b', 7)], 0))
    await store.read(async (tx) => {
      const { etag, count } = (await tx.keyBackups.get(alice, version))!
      assert.deepEqual([etag, count], [2, 3])
      const names = async (selection: Parameters<typeof tx.keyBackups.keys>[2]) =>
        (await tx.keyBackups.keys(alice, version, selection)).map(({ roomId, sessionId }) => `${roomId} ${sessionId}`)
      assert.deepEqual(await names({}), [`${OTHER} a`, `${ROOM} a`, `${ROOM} b`])
      assert.deepEqual(await names({ roomId: ROOM }), [`${ROOM} a`, `${ROOM} b`])
      assert.deepEqual(await tx.keyBackups.keys(alice, version, { roomId: ROOM, sessionId: 'b' }), [key(ROOM, 'b', 7)])
      assert.deepEqual(await tx.keyBackups.keys(alice, version + 1, {}), [])
      const after = async (from: BackedUpKey | null, roomId?: RoomId, limit = 9) =>
        (await tx.keyBackups.page(alice, version, { roomId, after: from, limit })).map((found) => {
          return `${found.roomId} ${found.sessionId}`
        })
      assert.deepEqual(await after(null), [`${OTHER} a`, `${ROOM} a`, `${ROOM} b`])
      assert.deepEqual(await after(null, undefined, 2), [`${OTHER} a`, `${ROOM} a`])
      assert.deepEqual(await after(key(ROOM, 'a')), [`${ROOM} b`])
      assert.deepEqual(await after(key(ROOM, 'b')), [])
      assert.deepEqual(await after(null, OTHER), [`${OTHER} a`])
      assert.deepEqual(await after(key(ROOM, 'a'), ROOM), [`${ROOM} b`])
      const wanted = [key(OTHER, 'b'), key(OTHER, 'a'), key(ROOM, 'b')]
      assert.deepEqual(await tx.keyBackups.keysOf(alice, version, wanted), [key(OTHER, 'a'), key(ROOM, 'b', 7)])
    })
    const state = async () => {
      const { etag, count } = (await store.read((tx) => tx.keyBackups.get(alice, version)))!
      return [etag, count]
    }
    await store.write((tx) => tx.keyBackups.deleteKeys(alice, version, { roomId: ROOM, sessionId: 'b' }))
    assert.deepEqual(await state(), [3, 2])
    await store.write((tx) => tx.keyBackups.deleteKeys(alice, version, { roomId: ROOM, sessionId: 'b' }))
    assert.deepEqual(await state(), [3, 2])
    await store.write((tx) => tx.keyBackups.deleteKeys(alice, version, {}))
    assert.deepEqual(await state(), [4, 0])
  })

  test('go with their keys', async (open) => {
    const store = await open()
    const alice = await newUser(store)
    const [first, second] = [await create(store, alice), await create(store, alice)]
    for (const version of [first, second]) {
      await store.write((tx) => tx.keyBackups.putKeys(alice, version, [key(ROOM, 'a')], 1))
    }
    await store.write((tx) => tx.keyBackups.delete(alice, first))
    assert.deepEqual(await store.read((tx) => tx.keyBackups.keys(alice, first, {})), [])
    await store.write((tx) => tx.keyBackups.deleteAll(alice))
    assert.deepEqual(await store.read((tx) => tx.keyBackups.keys(alice, second, {})), [])
    assert.equal(await store.read((tx) => tx.keyBackups.current(alice)), null)
  })
})
