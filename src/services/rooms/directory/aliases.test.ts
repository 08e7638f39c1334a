import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomAlias, RoomId } from '#core/ids.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
let carol: TestUser
let roomId: RoomId
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
  carol = await fixture.user('carol')
  roomId = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat' })
  await fixture.rooms.memberships.join(bob, roomId)
})
after(() => fixture[Symbol.asyncDispose]())

const aliases = () => fixture.rooms.aliases
const named = (localpart: string) => `#${localpart}:${SERVER}` as RoomAlias

describe('aliases', () => {
  it('are made by members, once', async () => {
    await aliases().create(bob.userId, named('one'), roomId)
    assert.deepEqual(await aliases().resolve(named('one')), { roomId, servers: [SERVER] })
    assert.equal(await aliases().roomIdOf(named('one')), roomId)
    assert.equal(await aliases().roomIdOf(roomId), roomId)
    const taken = { errcode: 'M_UNKNOWN', status: 409 }
    await assert.rejects(aliases().create(alice.userId, named('one'), roomId), taken)
    await assert.rejects(aliases().create(carol.userId, named('two'), roomId), { errcode: 'M_FORBIDDEN' })
    await assert.rejects(aliases().create(bob.userId, '#a:elsewhere.test' as RoomAlias, roomId), {
      errcode: 'M_INVALID_PARAM',
    })
    await assert.rejects(aliases().create(bob.userId, named('two'), '!no:here.test' as RoomId), {
      errcode: 'M_NOT_FOUND',
    })
    await assert.rejects(aliases().resolve(named('two')), { errcode: 'M_NOT_FOUND' })
  })

  it('are shown to members, and to all where the room may be read', async () => {
    const alias = named('shown')
    await aliases().create(alice.userId, alias, roomId)
    assert.ok((await aliases().ofRoom(bob.userId, roomId)).includes(alias))
    await assert.rejects(aliases().ofRoom(carol.userId, roomId), { errcode: 'M_FORBIDDEN' })
    await fixture.setState(alice, roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' })
    assert.ok((await aliases().ofRoom(carol.userId, roomId)).includes(alias))
  })
})

describe('S18: an alias is taken away', () => {
  it('by its creator, by those who may set the canonical alias, by administrators, by nobody else', async () => {
    await fixture.rooms.memberships.join(carol, roomId)
    for (const localpart of ['a', 'b', 'c']) await aliases().create(bob.userId, named(localpart), roomId)
    await assert.rejects(aliases().delete(carol, named('a')), { errcode: 'M_FORBIDDEN' })
    assert.equal((await aliases().resolve(named('a'))).roomId, roomId)
    await aliases().delete(bob, named('a'))
    await aliases().delete(alice, named('b'))
    await aliases().delete({ ...carol, isAdmin: true }, named('c'))
    for (const localpart of ['a', 'b', 'c']) {
      await assert.rejects(aliases().resolve(named(localpart)), { errcode: 'M_NOT_FOUND' })
    }
    await assert.rejects(aliases().delete(bob, named('a')), { errcode: 'M_NOT_FOUND' })
  })

  it('and never moved: to another room it goes only after it was taken away', async () => {
    await aliases().create(alice.userId, named('admins'), roomId)
    const other = await fixture.rooms.creation.create(carol.userId, {})
    await assert.rejects(aliases().create(carol.userId, named('admins'), other), { status: 409 })
    assert.equal((await aliases().resolve(named('admins'))).roomId, roomId)
  })

  it('and out of the canonical ones, where the user may change those', async () => {
    for (const localpart of ['x', 'y', 'z']) await aliases().create(bob.userId, named(localpart), roomId)
    const content = { alias: named('x'), alt_aliases: [named('y'), named('z')], extra: 1 }
    await fixture.setState(alice, roomId, 'm.room.canonical_alias', content)
    const canonical = async () => (await fixture.state(roomId, 'm.room.canonical_alias'))?.content
    await aliases().delete(bob, named('z'))
    assert.deepEqual(await canonical(), content)
    await aliases().delete(alice, named('x'))
    assert.deepEqual(await canonical(), { alt_aliases: [named('y'), named('z')], extra: 1 })
    await aliases().delete(alice, named('y'))
    assert.deepEqual(await canonical(), { alt_aliases: [named('z')], extra: 1 })
  })
})

describe('m.room.canonical_alias', () => {
  it('lists aliases of this room; those that stand there already are not looked at', async () => {
    const other = await fixture.rooms.creation.create(alice.userId, { room_alias_name: 'other' })
    await aliases().create(alice.userId, named('mine'), roomId)
    const set = (room: RoomId, content: object) =>
      fixture.setState(alice, room, 'm.room.canonical_alias', { ...content })
    await assert.rejects(set(roomId, { alias: named('other') }), { errcode: 'M_BAD_ALIAS' })
    await assert.rejects(set(roomId, { alt_aliases: [named('mine'), named('other')] }), { errcode: 'M_BAD_ALIAS' })
    await set(roomId, { alias: named('mine') })
    await aliases()
      .delete(bob, named('mine'))
      .catch(() => {})
    await set(roomId, { alias: named('mine'), alt_aliases: [] })
    await set(roomId, { alias: null })
    await set(roomId, {})
    await set(other, { alias: named('other') })
  })
})
