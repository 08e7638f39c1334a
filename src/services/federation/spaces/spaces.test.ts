/** Spaces and summaries: what users and servers get to know of rooms that they aren't in. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { RemoteRooms } from '#services/federation/spaces/remote-rooms.ts'
import { RoomLookup } from '#services/federation/spaces/room-lookup.ts'
import { type HierarchyRequest, SpaceHierarchy } from '#services/federation/spaces/space-hierarchy.ts'
import { SpaceReads } from '#services/federation/spaces/space-reads.ts'
import type { FederationReply } from '#services/federation/transport/federation-client.ts'
import type { Preset } from '#services/rooms/creation/initial-state.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
let lookup: RoomLookup
let hierarchy: SpaceHierarchy
let reads: SpaceReads
/** What other servers answer, by server and path; those that aren't named can't be reached. */
const answers = new Map<string, JsonValue>()
const asked: string[] = []
before(async () => {
  fixture = await roomFixture({ defaultVersion: '11' })
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
  const client = {
    async request({ destination, uri }: { destination: string; uri: string }): Promise<FederationReply> {
      const place = `${destination} ${decodeURIComponent(uri.replace('/_matrix/federation/v1/hierarchy/', ''))}`
      asked.push(place)
      const json = answers.get(place.replace(/\?.*/, ''))
      if (json === undefined) return { outcome: 'unreachable', reason: 'nobody there' }
      return { outcome: 'answered', status: 200, json, bytes: new Uint8Array() }
    },
  }
  const clock = () => fixture.clock.now
  const remoteRooms = new RemoteRooms({ client, serverName: SERVER as ServerName, clock })
  lookup = new RoomLookup({ store: fixture.store, remoteRooms })
  hierarchy = new SpaceHierarchy({ rooms: lookup, clock })
  reads = new SpaceReads(fixture)
})
after(() => fixture[Symbol.asyncDispose]())

const space = (name: string, preset: Preset = 'public_chat') =>
  fixture.rooms.creation.create(alice.userId, { name, preset, creation_content: { type: 'm.space' } })
const room = (name: string, preset: Preset = 'public_chat') =>
  fixture.rooms.creation.create(alice.userId, { name, preset })
const add = (parent: RoomId, child: string, content: JsonObject = {}) => {
  fixture.clock.now += 1
  return fixture.setState(alice, parent, 'm.space.child', { via: [SERVER], ...content }, child)
}
const page = (user: TestUser, roomId: RoomId, request: Partial<HierarchyRequest> = {}) =>
  hierarchy.page(user, roomId, { suggestedOnly: false, maxDepth: null, limit: null, from: null, ...request })
const names = (rooms: readonly { name?: string }[]) => rooms.map(({ name }) => name)

describe('the tree under a space', () => {
  it('is walked depth first, in the order of the children, each room once', async () => {
    const root = await space('root')
    const [a, b, c, d] = [await space('a'), await room('b'), await room('c'), await room('d')]
    await add(root, d)
    await add(root, c, { order: 'z' })
    await add(root, a, { order: 'b' })
    await add(a, b)
    await add(a, root)
    await add(a, c)
    const { rooms } = await page(bob, root)
    assert.deepEqual(names(rooms), ['root', 'a', 'b', 'c', 'd'])
    const children = rooms.map(({ children_state }) => children_state.map(({ state_key }) => state_key))
    assert.deepEqual(children.slice(0, 3), [[a, c, d], [b, root, c], []])
    assert.equal(rooms[0]?.room_version, '11')
    assert.equal(rooms[0]?.num_joined_members, 1)
  })

  it('goes by orders of at most 50 characters, all of them visible', async () => {
    const root = await space('root')
    const orders = ['b'.repeat(51), 'b'.repeat(50), '', 'é', 'a\n', '~', ' ', 7] as const
    for (const [index, order] of orders.entries()) await add(root, await room(`${index}`), { order })
    // The others stand behind, in the order in which they were made.
    assert.deepEqual(names((await page(bob, root)).rooms), ['root', '6', '1', '5', '0', '2', '3', '4', '7'])
  })

  it('ends at the depth that was asked for, and holds only suggested rooms on request', async () => {
    const root = await space('root')
    const [a, b, c] = [await space('a'), await room('b'), await room('c')]
    await add(root, a, { suggested: true })
    await add(a, b, { suggested: true })
    await add(a, c)
    assert.deepEqual(names((await page(bob, root, { maxDepth: 0 })).rooms), ['root'])
    assert.deepEqual(names((await page(bob, root, { maxDepth: 1 })).rooms), ['root', 'a'])
    assert.deepEqual(names((await page(bob, root)).rooms), ['root', 'a', 'b', 'c'])
    const { rooms } = await page(bob, root, { suggestedOnly: true })
    assert.deepEqual(names(rooms), ['root', 'a', 'b'])
    assert.equal(rooms[1]?.children_state.length, 1)
  })

  it('comes in pages, whose tokens belong to the request', async () => {
    const root = await space('root')
    for (const name of ['a', 'b', 'c', 'd']) await add(root, await room(name))
    const first = await page(bob, root, { limit: 2 })
    const second = await page(bob, root, { limit: 2, from: first.next_batch! })
    const third = await page(bob, root, { limit: 2, from: second.next_batch! })
    assert.deepEqual(
      [first, second, third].map(({ rooms }) => names(rooms)),
      [['root', 'a'], ['b', 'c'], ['d']],
    )
    assert.equal(third.next_batch, undefined)
    const wrong = [{ suggestedOnly: true }, { maxDepth: 3 }, { from: 'x' }]
    for (const change of wrong) {
      await assert.rejects(page(bob, root, { from: first.next_batch!, ...change }), { errcode: 'M_INVALID_PARAM' })
    }
  })

  it('holds no room that the user may neither see nor enter (S31)', async () => {
    const root = await space('root')
    const secret = await room('secret', 'private_chat')
    const invited = await room('invited', 'private_chat')
    const knockable = await room('knockable', 'private_chat')
    const readable = await room('readable', 'private_chat')
    const banned = await room('banned')
    const gated = await room('gated', 'private_chat')
    await fixture.rooms.memberships.invite(alice, invited, bob.userId)
    await fixture.setState(alice, knockable, 'm.room.join_rules', { join_rule: 'knock' })
    await fixture.setState(alice, readable, 'm.room.history_visibility', { history_visibility: 'world_readable' })
    await fixture.rooms.memberships.ban(alice, banned, bob.userId)
    const allow = [{ type: 'm.room_membership', room_id: root }]
    await fixture.setState(alice, gated, 'm.room.join_rules', { join_rule: 'restricted', allow })
    for (const child of [secret, invited, knockable, readable, banned, gated]) await add(root, child)
    assert.deepEqual(names((await page(bob, root)).rooms), ['root', 'invited', 'knockable', 'readable'])
    await fixture.rooms.memberships.join(bob, root)
    const { rooms } = await page(bob, root)
    assert.deepEqual(names(rooms), ['root', 'invited', 'knockable', 'readable', 'gated'])
    assert.deepEqual(rooms[4]?.allowed_room_ids, [root])
    await assert.rejects(page(bob, secret), { errcode: 'M_FORBIDDEN' })
    await assert.rejects(page(bob, '!nowhere:here.test' as RoomId), { errcode: 'M_FORBIDDEN' })
    assert.deepEqual(names((await page(alice, secret)).rooms), ['secret'])
  })

  it('goes on in rooms of other servers, by the servers that their parent names', async () => {
    const root = await space('root')
    const theirs = '!space:there.test'
    const leaf = { room_id: '!leaf:there.test', name: 'leaf', num_joined_members: 3, join_rule: 'public' }
    const hidden = { room_id: '!hidden:there.test', name: 'hidden', num_joined_members: 3, join_rule: 'invite' }
    const child = (state_key: string) => ({
      type: 'm.space.child',
      state_key,
      sender: '@x:there.test',
      content: { via: ['there.test'] },
      origin_server_ts: 1,
    })
    answers.set(`there.test ${theirs}`, {
      room: {
        room_id: theirs,
        name: 'theirs',
        topic: 7,
        num_joined_members: 2,
        world_readable: true,
        guest_can_join: false,
        room_type: 'm.space',
        children_state: [child('!leaf:there.test'), child('!hidden:there.test'), child('!gone:there.test'), 5],
        secret: 'field',
      },
      children: [leaf, hidden, 'x'],
      inaccessible_children: ['!gone:there.test'],
    })
    await add(root, theirs, { via: [SERVER, 'down.test', 'there.test'] })
    await add(root, '!alone:there.test', { via: ['down.test'] })
    asked.length = 0
    const { rooms } = await page(bob, root)
    assert.deepEqual(names(rooms), ['root', 'theirs', 'leaf'])
    assert.deepEqual(rooms[1]?.children_state.map(({ state_key }) => state_key).length, 3)
    assert.ok(!JSON.stringify(rooms).includes('secret'))
    assert.equal(rooms[1]?.topic, undefined)
    const suffix = '?suggested_only=false'
    assert.deepEqual(asked, [
      `down.test ${theirs}${suffix}`,
      `there.test ${theirs}${suffix}`,
      `down.test !alone:there.test${suffix}`,
    ])
    await page(alice, root)
    assert.equal(asked.length, 3, 'remembered')
    fixture.clock.now += 3_600_000
    await page(alice, root)
    assert.equal(asked.length, 6)
  })

  it('believes no answer about another room than the one asked for', async () => {
    const root = await space('root')
    answers.set('there.test !asked:there.test', {
      room: { room_id: '!other:there.test', world_readable: true, children_state: [] },
      children: [],
      inaccessible_children: [],
    })
    await add(root, '!asked:there.test', { via: ['there.test'] })
    assert.deepEqual(names((await page(bob, root)).rooms), ['root'])
  })
})

describe('a summary', () => {
  it('is for those who could join, with their membership', async () => {
    const open = await room('open')
    const closed = await room('closed', 'private_chat')
    assert.equal((await lookup.summary(bob, open, [])).membership, 'leave')
    assert.equal((await lookup.summary(alice, open, [])).membership, 'join')
    assert.equal((await lookup.summary(null, open, [])).membership, undefined)
    assert.equal((await lookup.summary(alice, closed, [])).name, 'closed')
    for (const viewer of [bob, null])
      await assert.rejects(lookup.summary(viewer, closed, []), { errcode: 'M_NOT_FOUND' })
  })

  it('asks other servers for users alone', async () => {
    const roomId = '!far:far.test' as RoomId
    answers.set(`far.test ${roomId}`, {
      room: { room_id: roomId, name: 'far', num_joined_members: 9, join_rule: 'public', children_state: [] },
      children: [],
      inaccessible_children: [],
    })
    asked.length = 0
    await assert.rejects(lookup.summary(null, roomId, ['far.test' as ServerName]), { errcode: 'M_NOT_FOUND' })
    assert.deepEqual(asked, [])
    const summary = await lookup.summary(bob, roomId, ['far.test' as ServerName])
    assert.deepEqual(summary, {
      room_id: roomId,
      name: 'far',
      num_joined_members: 9,
      world_readable: false,
      guest_can_join: false,
      join_rule: 'public',
      membership: 'leave',
    })
  })
})

describe('S30: the hierarchy for another server', () => {
  it('holds what its users could join or see', async () => {
    const root = await space('root', 'private_chat')
    const [open, closed, far] = [await room('open'), await room('closed', 'private_chat'), '!far:far.test']
    await fixture.setState(alice, root, 'm.room.join_rules', { join_rule: 'knock' })
    for (const child of [open, closed, far]) await add(root, child, { suggested: child === open })
    const ask = (server: string, suggested = false) => reads.hierarchy(server as ServerName, root, suggested)
    const told = await ask('any.test')
    assert.equal(told.room.name, 'root')
    assert.deepEqual(names(told.children), ['open'])
    assert.deepEqual(told.inaccessible_children, [closed])
    assert.equal(told.room.children_state.length, 3)
    const suggested = await ask('any.test', true)
    assert.deepEqual([suggested.room.children_state.length, suggested.inaccessible_children], [1, []])
    await fixture.setState(alice, root, 'm.room.server_acl', { allow: ['*'], deny: ['denied.test'] })
    await assert.rejects(ask('denied.test'), { errcode: 'M_FORBIDDEN' })
    await fixture.setState(alice, root, 'm.room.join_rules', { join_rule: 'invite' })
    await assert.rejects(ask('any.test'), { errcode: 'M_NOT_FOUND' })
    await assert.rejects(reads.hierarchy('any.test' as ServerName, far as RoomId, false), { errcode: 'M_NOT_FOUND' })
  })

  it('is open to a server in a room whose members may join', async () => {
    const [lobby, gated] = [await room('lobby'), await room('gated', 'private_chat')]
    const allow = [{ type: 'm.room_membership', room_id: lobby }]
    await fixture.setState(alice, gated, 'm.room.join_rules', { join_rule: 'restricted', allow })
    const ask = () => reads.hierarchy('near.test' as ServerName, gated, false)
    await assert.rejects(ask(), { errcode: 'M_NOT_FOUND' })
    await fixture.rooms.memberships.join({ userId: '@x:near.test' as UserId, isGuest: false }, lobby)
    assert.equal((await ask()).room.name, 'gated')
  })
})
