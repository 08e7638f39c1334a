import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { NO_CHANGES, putRule } from '#core/push/ruleset.ts'
import { changesOf, contentOf, PUSH_RULES_TYPE } from '#services/push-rules/stored-push-rules.ts'
import { type RoomFixture, roomFixture, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
let old: RoomId
before(async () => {
  fixture = await roomFixture()
})
after(() => fixture[Symbol.asyncDispose]())

let count = 0
/** Two users in a room that both have arranged for themselves. */
async function arrangedRoom(): Promise<void> {
  count += 1
  alice = await fixture.user(`alice${count}`)
  bob = await fixture.user(`bob${count}`)
  old = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat' })
  await fixture.rooms.memberships.join(bob, old)
  for (const user of [alice, bob]) await arrange(user)
}

async function arrange({ userNid }: TestUser): Promise<void> {
  const rules = putRule(NO_CHANGES, 'room', old, { actions: [] })
  await put(userNid, old, 'm.tag', { tags: { 'm.favourite': { order: 1 } } })
  await put(userNid, null, 'm.direct', { '@peer:here.test': ['!other:here.test', old], '@none:here.test': [] })
  await put(userNid, null, PUSH_RULES_TYPE, contentOf(rules))
}

const put = (user: TestUser['userNid'], roomId: RoomId | null, type: string, content: JsonObject) =>
  fixture.store.write((tx) => tx.accountData.put(user, roomId, type, content))
const get = (user: TestUser, roomId: RoomId | null, type: string) =>
  fixture.store.read((tx) => tx.accountData.get(user.userNid, roomId, type))

async function assertFollowed(user: TestUser, next: RoomId): Promise<void> {
  assert.deepEqual(await get(user, next, 'm.tag'), { tags: { 'm.favourite': { order: 1 } } })
  assert.deepEqual(await get(user, null, 'm.direct'), {
    '@peer:here.test': ['!other:here.test', old, next],
    '@none:here.test': [],
  })
  const rules = changesOf(await get(user, null, PUSH_RULES_TYPE)).rules.room
  assert.deepEqual(
    rules.map(({ rule_id, actions }) => [rule_id, actions]),
    [
      [old, []],
      [next, []],
    ],
  )
}

const successor = (user: TestUser) =>
  fixture.rooms.creation.create(user.userId, {
    preset: 'public_chat',
    creation_content: { predecessor: { room_id: old } },
  })
const tombstone = (user: TestUser, replacement: RoomId) =>
  fixture.setState(user, old, 'm.room.tombstone', { body: 'moved', replacement_room: replacement })

describe('tags, push rules and m.direct', () => {
  it('follow an upgrade, for who did it and for who joins', async () => {
    await arrangedRoom()
    const request = { newVersion: '12', additionalCreators: [] }
    const next = await fixture.rooms.upgrades.upgrade(alice.userId, old, request)
    await assertFollowed(alice, next)
    assert.equal(await get(bob, next, 'm.tag'), null)
    await fixture.setState(alice, next, 'm.room.join_rules', { join_rule: 'public' })
    await fixture.rooms.memberships.join(bob, next)
    await assertFollowed(bob, next)
  })

  it('follow a room made by hand, before and after the tombstone', async () => {
    await arrangedRoom()
    const next = await successor(alice)
    await assertFollowed(alice, next)
    await fixture.rooms.memberships.join(bob, next)
    await assertFollowed(bob, next)
    await arrangedRoom()
    const other = await successor(alice)
    await tombstone(alice, other)
    await fixture.rooms.memberships.join(bob, other)
    await assertFollowed(bob, other)
  })

  it('do not follow a room that only claims to replace the old one', async () => {
    await arrangedRoom()
    const mallory = await fixture.user(`mallory${count}`)
    const next = await successor(mallory)
    await fixture.rooms.memberships.join(bob, next)
    assert.equal(await get(bob, next, 'm.tag'), null)
    assert.equal(JSON.stringify(await get(bob, null, 'm.direct')).includes(next), false)
  })

  it('are copied at the first join alone, and to those alone who were in the old room', async () => {
    await arrangedRoom()
    const carol = await fixture.user(`carol${count}`)
    await arrange(carol)
    const next = await successor(alice)
    await fixture.rooms.memberships.join(carol, next)
    assert.equal(await get(carol, next, 'm.tag'), null)
    await fixture.rooms.memberships.join(bob, next)
    await fixture.rooms.memberships.leave(bob, next)
    await put(bob.userNid, null, 'm.direct', { '@peer:here.test': [old] })
    await put(bob.userNid, next, 'm.tag', { tags: {} })
    await fixture.rooms.memberships.join(bob, next)
    assert.deepEqual(await get(bob, null, 'm.direct'), { '@peer:here.test': [old] })
    assert.deepEqual(await get(bob, next, 'm.tag'), { tags: {} })
  })

  it('may be of any shape', async () => {
    await arrangedRoom()
    await put(bob.userNid, null, 'm.direct', { a: null, b: { [old]: 1 }, c: [[old], old], __proto__: [old] })
    await put(bob.userNid, old, 'm.tag', { tags: 5 })
    const next = await successor(alice)
    await fixture.rooms.memberships.join(bob, next)
    assert.deepEqual((await get(bob, null, 'm.direct'))?.['c'], [[old], old, next])
    assert.deepEqual(await get(bob, next, 'm.tag'), { tags: 5 })
  })
})
