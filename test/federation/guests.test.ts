/** Guests of this server in rooms that others change, and invite them to. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, it } from 'node:test'
import { type Member, SmallFederation, type User } from '#test/federation/harness/small-federation.ts'

let federation: SmallFederation
let a: Member
let b: Member
let alice: User
let bob: User
let guest: User
beforeEach(async () => {
  federation = new SmallFederation()
  a = await federation.server('a.test')
  b = await federation.server('b.test')
  alice = await a.user('alice')
  bob = await b.user('bob')
  guest = await b.user('1', true)
})
afterEach(async () => {
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

const access = (value: string) => ({ guest_access: value })
const saying = (value: string) => [{ type: 'm.room.guest_access', content: access(value) }]

it('leave when a user of another server forbids guests', async () => {
  const roomId = await alice.createRoom({ preset: 'public_chat', initial_state: saying('can_join') })
  assert.equal((await bob.join(roomId, a)).status, 200)
  await b.services.federation.memberships.partialStates.idle()
  assert.equal((await guest.join(roomId)).status, 200)
  await a.sees(roomId, guest.userId, 'join')
  assert.equal((await alice.setState(roomId, 'm.room.guest_access', access('forbidden'))).status, 200)
  await b.sees(roomId, guest.userId, 'leave')
  await a.sees(roomId, guest.userId, 'leave')
  assert.equal(await b.membership(roomId, bob.userId), 'join')
})

it('can be invited from elsewhere, and come where guests may', async () => {
  const roomId = await alice.createRoom({ preset: 'private_chat' })
  assert.equal((await alice.room(roomId, 'invite', { user_id: guest.userId })).status, 200)
  assert.ok((await guest.sync()).rooms.invite[roomId] !== undefined)
  assert.equal((await guest.join(roomId)).status, 200)
  assert.equal(await b.membership(roomId, guest.userId), 'join')
})

it('stay out of rooms elsewhere that they are not invited to, or that want no guests', async () => {
  const open = await alice.createRoom({ preset: 'public_chat', initial_state: saying('can_join') })
  const closed = await alice.createRoom({ preset: 'private_chat', initial_state: saying('forbidden') })
  assert.equal((await alice.room(closed, 'invite', { user_id: guest.userId })).status, 200)
  for (const roomId of [open, closed]) {
    const { status, body } = await guest.join(roomId, a)
    assert.deepEqual([status, body.errcode], [403, 'M_GUEST_ACCESS_FORBIDDEN'])
  }
  assert.equal(await a.membership(closed, guest.userId), 'invite')
})

it('leave again where the room says something else than the server that was asked', async () => {
  const roomId = await alice.createRoom({ preset: 'private_chat', initial_state: saying('forbidden') })
  assert.equal((await alice.room(roomId, 'invite', { user_id: guest.userId })).status, 200)
  const room = {
    room_id: roomId,
    num_joined_members: 1,
    world_readable: false,
    guest_can_join: true,
    children_state: [],
  }
  const body = Buffer.from(JSON.stringify({ room, children: [], inaccessible_children: [] }))
  federation.intercept = (_from, { uri }) =>
    uri.includes('/hierarchy/') ? { outcome: 'answered', status: 200, retryAfterMs: null, body } : null
  assert.equal((await guest.join(roomId)).body.errcode, 'M_GUEST_ACCESS_FORBIDDEN')
  await a.sees(roomId, guest.userId, 'leave')
})
