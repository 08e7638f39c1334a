import assert from 'node:assert/strict'
import type { RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const ALICE = '@alice:hearth.example' as UserId
const BOB = '@bob:hearth.example' as UserId
const ROOM = '!room:hearth.example' as RoomId

/** Names and values that break naive storage. */
const ODD = JSON.parse('{"__proto__":{"a":1},"constructor":"\\u0000\\ud800","2":[1.5,null],"1":{}}') as JsonObject

forEachDatabase('account data', (test) => {
  test('global data and that of a room are apart, and odd content survives', async (open) => {
    const store = await open()
    const user = await store.write((tx) => tx.users.intern(ALICE))
    await store.write((tx) => tx.accountData.put(user, null, 'org.example', ODD))
    await store.write((tx) => tx.accountData.put(user, ROOM, 'org.example', { room: true }))
    const globally = await store.read((tx) => tx.accountData.get(user, null, 'org.example'))
    assert.equal(JSON.stringify(globally), JSON.stringify(ODD))
    assert.deepEqual(await store.read((tx) => tx.accountData.get(user, ROOM, 'org.example')), { room: true })
    assert.equal(await store.read((tx) => tx.accountData.get(user, ROOM, 'org.other')), null)
  })

  test('each put takes a position; changes are those between two, each type once', async (open) => {
    const store = await open()
    const [alice, bob] = await store.write(async (tx) => [await tx.users.intern(ALICE), await tx.users.intern(BOB)])
    const first = await store.write((tx) => tx.accountData.put(alice, null, 'a', { n: 1 }))
    const second = await store.write((tx) => tx.accountData.put(alice, ROOM, 'b', { n: 2 }))
    await store.write((tx) => tx.accountData.put(bob, null, 'c', {}))
    const third = await store.write((tx) => tx.accountData.put(alice, null, 'a', { n: 3 }))
    assert.ok(first < second && second < third)
    assert.equal(store.position(), third)
    const roomData = { roomId: ROOM, type: 'b', content: { n: 2 }, position: second }
    const newest = { roomId: null, type: 'a', content: { n: 3 }, position: third }
    assert.deepEqual(await store.read((tx) => tx.accountData.all(alice)), [roomData, newest])
    assert.deepEqual(await store.read((tx) => tx.accountData.changesFor(alice, first, second)), [roomData])
    assert.deepEqual(await store.read((tx) => tx.accountData.changesFor(alice, second, third)), [newest])
    assert.deepEqual(await store.read((tx) => tx.accountData.changesFor(alice, third, third + 9)), [])
    assert.deepEqual(await store.read((tx) => tx.accountData.ofRoom(alice, ROOM)), [roomData])
  })

  test('deleting everything of one user leaves the other alone', async (open) => {
    const store = await open()
    const [alice, bob] = await store.write(async (tx) => [await tx.users.intern(ALICE), await tx.users.intern(BOB)])
    for (const user of [alice, bob]) await store.write((tx) => tx.accountData.put(user, ROOM, 'a', {}))
    await store.write((tx) => tx.accountData.deleteAll(alice))
    assert.deepEqual(await store.read((tx) => tx.accountData.all(alice)), [])
    assert.equal((await store.read((tx) => tx.accountData.all(bob))).length, 1)
  })

  test('the log tells whose account data changed', async (open) => {
    const store = await open()
    const user = await store.write((tx) => tx.users.intern(ALICE))
    const position = await store.write((tx) => tx.accountData.put(user, ROOM, 'a', {}))
    const [entry] = await store.read((tx) => tx.log.between(position - 1, position, 10))
    assert.deepEqual([entry?.kind, entry?.userNid], ['account_data', user])
  })
})

forEachDatabase('profiles', (test) => {
  test('fields are set, replaced and deleted, each under a position', async (open) => {
    const store = await open()
    const user = await store.write((tx) => tx.users.intern(ALICE))
    const first = await store.write((tx) => tx.profiles.set(user, 'displayname', 'Alice'))
    const second = await store.write((tx) => tx.profiles.set(user, 'org.example.odd', ODD))
    const third = await store.write((tx) => tx.profiles.set(user, 'displayname', undefined))
    const fields = await store.read((tx) => tx.profiles.get(user))
    assert.deepEqual([...fields.keys()], ['org.example.odd'])
    assert.equal(JSON.stringify(fields.get('org.example.odd')), JSON.stringify(ODD))
    assert.deepEqual(
      (await store.read((tx) => tx.profiles.changes(first, third))).map(({ field, position }) => ({ field, position })),
      [
        { field: 'org.example.odd', position: second },
        { field: 'displayname', position: third },
      ],
    )
    assert.equal((await store.read((tx) => tx.profiles.changes(second, third)))[0]?.value, undefined)
  })

  test('null is a value, not a deletion', async (open) => {
    const store = await open()
    const user = await store.write((tx) => tx.users.intern(ALICE))
    await store.write((tx) => tx.profiles.set(user, 'org.example.n', null))
    assert.deepEqual(await store.read((tx) => tx.profiles.get(user)), new Map([['org.example.n', null]]))
  })

  test('several profiles at once', async (open) => {
    const store = await open()
    const [alice, bob] = await store.write(async (tx) => [await tx.users.intern(ALICE), await tx.users.intern(BOB)])
    await store.write((tx) => tx.profiles.set(alice, 'displayname', 'Alice'))
    const profiles = await store.read((tx) => tx.profiles.getMany([alice, bob]))
    assert.deepEqual(profiles, new Map([[alice, new Map([['displayname', 'Alice']])]]))
  })
})

forEachDatabase('filters', (test) => {
  test('the same filter keeps its id; users have their own', async (open) => {
    const store = await open()
    const [alice, bob] = await store.write(async (tx) => [await tx.users.intern(ALICE), await tx.users.intern(BOB)])
    const first = await store.write((tx) => tx.filters.put(alice, 'h1', { room: {} }))
    const second = await store.write((tx) => tx.filters.put(alice, 'h2', ODD))
    assert.notEqual(first, second)
    assert.equal(await store.write((tx) => tx.filters.put(alice, 'h1', { room: {} })), first)
    assert.equal(JSON.stringify(await store.read((tx) => tx.filters.get(alice, second))), JSON.stringify(ODD))
    assert.equal(await store.read((tx) => tx.filters.get(bob, second)), null)
  })
})
