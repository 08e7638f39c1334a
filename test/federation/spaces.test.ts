/** Spaces across servers. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import {
  type Member,
  type SmallFederation,
  threeServers,
  type User,
} from '#test/federation/harness/small-federation.ts'

let federation: SmallFederation
let a: Member
let alice: User
let bob: User

before(async () => {
  ;({ federation, a, alice, bob } = await threeServers())
})
afterEach(() => assert.deepEqual(federation.defects, []))
after(() => federation[Symbol.asyncDispose]())

const summary = async (user: User, roomId: RoomId) =>
  (
    await user.server.ask(
      user.userId,
      'GET',
      `/_matrix/client/v1/room_summary/${encodeURIComponent(roomId)}?via=a.test`,
    )
  ).status
const tree = async (user: User, roomId: RoomId): Promise<string[]> => {
  const path = `/_matrix/client/v1/rooms/${encodeURIComponent(roomId)}/hierarchy`
  const { body } = await user.server.ask(user.userId, 'GET', path)
  return body.rooms.map(({ room_id }: { room_id: string }) => room_id)
}

/** A space of a.test, and a room in it for members of the space. */
async function space(preset: string): Promise<{ readonly root: RoomId; readonly child: RoomId }> {
  const root = await alice.createRoom({ preset, room_version: '11', creation_content: { type: 'm.space' } })
  const allow = [{ type: 'm.room_membership', room_id: root }]
  const joinRules = { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'restricted', allow } }
  const child = await alice.createRoom({ preset: 'private_chat', room_version: '11', initial_state: [joinRules] })
  assert.equal((await alice.setState(root, 'm.space.child', { via: [a.name] }, child)).status, 200)
  return { root, child }
}

describe('a room that its server refused to tell of', () => {
  it('is known as soon as a user is in the space that lets them in', async () => {
    const { root, child } = await space('public_chat')
    assert.equal(await summary(bob, child), 404)
    assert.equal((await bob.join(root, a)).status, 200)
    assert.deepEqual(await tree(bob, root), [root, child])
    assert.equal(await summary(bob, child), 200)
  })

  it('is known as soon as a user is invited to it', async () => {
    const roomId = await alice.createRoom({ preset: 'private_chat' })
    assert.equal(await summary(bob, roomId), 404)
    assert.equal((await alice.room(roomId, 'invite', { user_id: bob.userId })).status, 200)
    assert.equal(await summary(bob, roomId), 200)
  })
})
