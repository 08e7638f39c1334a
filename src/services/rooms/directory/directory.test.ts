import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import type { CreateRoomRequest } from '#services/rooms/creation/initial-state.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
})
after(() => fixture[Symbol.asyncDispose]())

const directory = () => fixture.rooms.directory
const create = (request: CreateRoomRequest) => fixture.rooms.creation.create(alice.userId, request)

describe('the list of published rooms', () => {
  const rooms: RoomId[] = []
  before(async () => {
    rooms.push(
      await create({
        visibility: 'public',
        name: 'CHEESE',
        topic: 'Tasty tasty cheese',
        room_alias_name: 'cheese',
        creation_content: { type: 'm.space' },
        initial_state: [
          { type: 'm.room.avatar', content: { url: 'mxc://here.test/brie' } },
          { type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } },
          { type: 'm.room.guest_access', content: { guest_access: 'can_join' } },
        ],
      }),
    )
    for (const name of ['wine', 'bread', 'olives', 'figs']) rooms.push(await create({ visibility: 'public', name }))
    await create({ name: 'private cheese' })
    await fixture.rooms.memberships.join(bob, rooms[2] as RoomId)
  })

  it('shows what the state says, largest rooms first', async () => {
    const page = await directory().list({})
    assert.deepEqual(
      page.chunk.map(({ room_id }) => room_id),
      [rooms[2], rooms[0], rooms[1], rooms[3], rooms[4]],
    )
    assert.equal(page.total_room_count_estimate, 5)
    assert.equal(page.next_batch, undefined)
    assert.equal(page.prev_batch, undefined)
    assert.deepEqual(page.chunk[1], {
      room_id: rooms[0],
      num_joined_members: 1,
      world_readable: true,
      guest_can_join: true,
      join_rule: 'public',
      name: 'CHEESE',
      topic: 'Tasty tasty cheese',
      canonical_alias: `#cheese:${SERVER}`,
      avatar_url: 'mxc://here.test/brie',
      room_type: 'm.space',
    })
  })

  it('is read page by page, forwards and back', async () => {
    const all = (await directory().list({})).chunk.map(({ room_id }) => room_id)
    const first = await directory().list({ limit: 2 })
    const second = await directory().list({ limit: 2, since: first.next_batch })
    const third = await directory().list({ limit: 2, since: second.next_batch })
    const ids = [first, second, third].flatMap(({ chunk }) => chunk.map(({ room_id }) => room_id))
    assert.deepEqual(ids, all)
    assert.equal(third.next_batch, undefined)
    const back = await directory().list({ limit: 2, since: third.prev_batch })
    assert.deepEqual(back.chunk, second.chunk)
    const start = await directory().list({ limit: 2, since: back.prev_batch })
    assert.deepEqual(start.chunk, first.chunk)
    assert.equal(start.prev_batch, undefined)
    assert.deepEqual((await directory().list({ limit: 2, since: start.next_batch })).chunk, second.chunk)
  })

  it('is searched by name, topic and alias, and by type', async () => {
    const names = async (query: Parameters<ReturnType<typeof directory>['list']>[0]) =>
      (await directory().list(query)).chunk.map(({ name }) => name)
    assert.deepEqual(await names({ searchTerm: 'TASTY' }), ['CHEESE'])
    assert.deepEqual(await names({ searchTerm: '#cheese' }), ['CHEESE'])
    assert.deepEqual(await names({ searchTerm: 'nothing' }), [])
    assert.deepEqual(await names({ roomTypes: ['m.space'] }), ['CHEESE'])
    assert.deepEqual(await names({ roomTypes: [null] }), ['bread', 'wine', 'olives', 'figs'])
    assert.deepEqual(await names({ roomTypes: [] }), [])
    const page = await directory().list({ roomTypes: [null], limit: 2 })
    assert.deepEqual(await names({ roomTypes: [null], limit: 2, since: page.next_batch }), ['olives', 'figs'])
  })

  it('refuses tokens that it never gave out', () => {
    for (const since of ['', 'x', 'n1_1', 'n1_1_1e3', 'b1_-1_2']) {
      assert.throws(() => directory().list({ since }), { errcode: 'M_INVALID_PARAM' })
    }
  })

  it('is changed by those who may name the room', async () => {
    const roomId = await create({ preset: 'public_chat' })
    await fixture.rooms.memberships.join(bob, roomId)
    await assert.rejects(directory().setVisibility(bob, roomId, 'public'), { errcode: 'M_FORBIDDEN' })
    assert.equal(await directory().visibility(roomId), 'private')
    await directory().setVisibility(alice, roomId, 'public')
    assert.equal(await directory().visibility(roomId), 'public')
    await directory().setVisibility({ ...bob, isAdmin: true }, roomId, 'private')
    assert.equal(await directory().visibility(roomId), 'private')
    const nowhere = '!no:here.test' as RoomId
    await assert.rejects(directory().setVisibility(alice, nowhere, 'public'), { errcode: 'M_NOT_FOUND' })
    await assert.rejects(directory().visibility(nowhere), { errcode: 'M_NOT_FOUND' })
  })
})
