import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomAlias, RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
let carol: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
  carol = await fixture.user('carol')
})
after(() => fixture[Symbol.asyncDispose]())

const upgrade = (user: TestUser, roomId: RoomId, newVersion: string, additionalCreators = [] as TestUser[]) =>
  fixture.rooms.upgrades.upgrade(user.userId, roomId, {
    newVersion,
    additionalCreators: additionalCreators.map(({ userId }) => userId),
  })
const content = async (roomId: RoomId, type: string, key = '') => (await fixture.state(roomId, type, key))?.content

describe('an upgrade', () => {
  for (const [from, to] of [
    ['1', '12'],
    ['5', '6'],
    ['10', '11'],
    ['11', '12'],
    ['12', '12'],
    ['12', '10'],
  ] as const) {
    it(`from version ${from} to ${to} carries the room over`, async () => {
      const name = `upgrade-${from}-${to}`
      const old = await fixture.rooms.creation.create(alice.userId, {
        room_version: from,
        visibility: 'public',
        room_alias_name: name,
        name: 'The room',
        topic: 'talk',
        creation_content: { type: 'org.test.kind' },
        initial_state: [{ type: 'm.room.server_acl', content: { allow: ['*'], deny: ['evil.test'] } }],
      })
      await fixture.rooms.memberships.join(bob, old)
      await fixture.rooms.memberships.ban(alice, old, carol.userId, 'spam')
      const next = await upgrade(alice, old, to, [bob])

      const tombstone = await fixture.state(old, 'm.room.tombstone')
      assert.equal(tombstone?.content['replacement_room'], next)
      const create = await content(next, 'm.room.create')
      assert.equal(create?.['room_version'], to)
      assert.equal(create?.['type'], 'org.test.kind')
      assert.deepEqual(create?.['predecessor'], {
        room_id: old,
        ...(to === '12' ? {} : { event_id: tombstone?.eventId }),
      })
      assert.deepEqual(create?.['additional_creators'], to === '12' ? [bob.userId] : undefined)
      for (const type of ['m.room.name', 'm.room.topic', 'm.room.server_acl', 'm.room.join_rules']) {
        assert.deepEqual(await content(next, type), await content(old, type), type)
      }
      assert.equal(await fixture.membership(next, carol.userId), 'ban')
      assert.equal(await fixture.membership(next, bob.userId), null)
      assert.equal(await fixture.membership(next, alice.userId), 'join')

      const alias = `#${name}:${SERVER}` as RoomAlias
      assert.equal((await fixture.rooms.aliases.resolve(alias)).roomId, next)
      assert.deepEqual(await content(next, 'm.room.canonical_alias'), { alias })
      assert.deepEqual(await content(old, 'm.room.canonical_alias'), {})
      assert.equal(await fixture.rooms.directory.visibility(old), 'private')
      assert.equal(await fixture.rooms.directory.visibility(next), 'public')

      const levels = await content(next, 'm.room.power_levels')
      assert.deepEqual(levels?.['users'], to === '12' ? {} : { [alice.userId]: 100 })
      const events = (levels?.['events'] ?? {}) as JsonObject
      assert.equal(events['m.room.tombstone'], to === '12' ? 150 : 100)
      const closed = await content(old, 'm.room.power_levels')
      assert.equal(closed?.['events_default'], 50)
      assert.equal(closed?.['invite'], 50)
      await assert.rejects(fixture.send(bob, old, 'm.room.message', { body: 'still here' }), { errcode: 'M_FORBIDDEN' })
      await fixture.send(alice, next, 'm.room.message', { body: 'here now' })
    })
  }

  it('is for those who may send the tombstone; nothing happens for others', async () => {
    const old = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat', room_version: '11' })
    await fixture.rooms.memberships.join(bob, old)
    const before = fixture.store.position()
    await assert.rejects(upgrade(bob, old, '12'), { errcode: 'M_FORBIDDEN' })
    await assert.rejects(upgrade(alice, old, '99'), { errcode: 'M_UNSUPPORTED_ROOM_VERSION' })
    assert.equal(fixture.store.position(), before)
    await assert.rejects(upgrade(alice, '!no:here.test' as RoomId, '12'), { errcode: 'M_NOT_FOUND' })
  })

  it('by a moderator ends with the power that they had', async () => {
    const old = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat', room_version: '11' })
    await fixture.rooms.memberships.join(bob, old)
    const levels = (await content(old, 'm.room.power_levels')) ?? {}
    const users = { [alice.userId]: 100, [bob.userId]: 50 }
    const events = { ...(levels['events'] as JsonObject), 'm.room.tombstone': 50 }
    await fixture.setState(alice, old, 'm.room.power_levels', { ...levels, users, events })
    const next = await upgrade(bob, old, '11')
    assert.deepEqual((await content(next, 'm.room.power_levels'))?.['users'], users)
    assert.equal((await content(old, 'm.room.power_levels'))?.['events_default'], 0)
  })

  it('from version 12 to a lower one leaves its creators in power, and no level that nobody has', async () => {
    const old = await fixture.rooms.creation.create(alice.userId, {
      room_version: '12',
      preset: 'public_chat',
      creation_content: { additional_creators: [bob.userId] },
    })
    const levels = (await content(old, 'm.room.power_levels')) ?? {}
    const events = { ...(levels['events'] as JsonObject), 'org.test.rare': 1_000 }
    const users = { [carol.userId]: 120 }
    await fixture.setState(alice, old, 'm.room.power_levels', { ...levels, events, users, ban: 200 })
    await fixture.rooms.memberships.join(bob, old)
    const next = await upgrade(bob, old, '11')
    const carried = await content(next, 'm.room.power_levels')
    assert.deepEqual(carried?.['users'], { [carol.userId]: 120, [alice.userId]: 120, [bob.userId]: 120 })
    const limited = carried?.['events'] as JsonObject
    assert.deepEqual([limited['m.room.tombstone'], limited['org.test.rare'], carried?.['ban']], [120, 120, 120])
    await fixture.rooms.memberships.join(alice, next)
    const last = await upgrade(alice, next, '10')
    assert.equal((await content(next, 'm.room.tombstone'))?.['replacement_room'], last)
  })

  it('to a version without the join rule leaves the room closed', async () => {
    const rules = { type: 'm.room.join_rules', content: { join_rule: 'knock_restricted', allow: [] } }
    const old = await fixture.rooms.creation.create(alice.userId, { room_version: '11', initial_state: [rules] })
    const next = await upgrade(alice, old, '9')
    assert.deepEqual(await content(next, 'm.room.join_rules'), { join_rule: 'invite' })
  })
})
