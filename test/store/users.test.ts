import assert from 'node:assert/strict'
import type { UserId } from '#core/ids.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const ALICE = '@alice:hearth.example' as UserId
const BOB = '@bob:elsewhere.example:8448' as UserId

forEachDatabase('users', (test) => {
  test('a user gets one number, at first sight', async (open) => {
    const store = await open()
    assert.equal(await store.read((tx) => tx.users.nid(ALICE)), null)
    const [alice, again, bob] = await store.write(async (tx) => [
      await tx.users.intern(ALICE),
      await tx.users.intern(ALICE),
      await tx.users.intern(BOB),
    ])
    assert.equal(alice, again)
    assert.notEqual(alice, bob)
    assert.equal(await store.read((tx) => tx.users.nid(BOB)), bob)
    assert.equal(await store.read((tx) => tx.users.userId(alice as UserNid)), ALICE)
  })

  test('numbers are looked up many at a time, unknown ones left out', async (open) => {
    const store = await open()
    const alice = await store.write((tx) => tx.users.intern(ALICE))
    const ids = await store.read((tx) => tx.users.userIds([alice, 999 as UserNid]))
    assert.deepEqual(ids, new Map([[alice, ALICE]]))
    assert.deepEqual(await store.read((tx) => tx.users.userIds([])), new Map())
  })

  test('two programs at once give one number', async (open) => {
    const [one, two] = [await open(), await open()]
    const intern = (store: typeof one) => store.write((tx) => tx.users.intern(ALICE))
    const numbers = await Promise.all([intern(one), intern(two), intern(one), intern(two)])
    assert.equal(new Set(numbers).size, 1)
  })

  test('an unknown number is a mistake of the program', async (open) => {
    const store = await open()
    await assert.rejects(store.read((tx) => tx.users.userId(7 as UserNid)))
  })
})
