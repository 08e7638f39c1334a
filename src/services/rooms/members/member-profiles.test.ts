import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import { type RoomFixture, roomFixture, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
})
after(() => fixture[Symbol.asyncDispose]())

const rename = (user: TestUser, name: string | undefined) =>
  fixture.store.write((tx) => tx.profiles.set(user.userNid, 'displayname', name))
const nameIn = async (roomId: RoomId, user: TestUser) =>
  (await fixture.state(roomId, 'm.room.member', user.userId))?.content['displayname']

describe('a changed profile', () => {
  it('reaches all rooms that the user is in, and no others', async () => {
    const bob = await fixture.user('bob')
    const rooms: RoomId[] = []
    for (let index = 0; index < 12; index++) {
      const roomId = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat' })
      await fixture.rooms.memberships.join(bob, roomId)
      rooms.push(roomId)
    }
    const left = rooms.pop() as RoomId
    await fixture.rooms.memberships.leave(bob, left)
    await rename(bob, 'Bob')
    await fixture.rooms.memberProfiles.propagate(bob.userId)
    for (const roomId of rooms) assert.equal(await nameIn(roomId, bob), 'Bob')
    assert.equal(await fixture.membership(left, bob.userId), 'leave')
    await rename(bob, undefined)
    await fixture.rooms.memberProfiles.propagate(bob.userId)
    for (const roomId of rooms) assert.equal(await nameIn(roomId, bob), undefined)
  })

  it('that changes quickly ends as it ended', async () => {
    const carol = await fixture.user('carol')
    const roomId = await fixture.rooms.creation.create(carol.userId, {})
    const before = (await fixture.timeline(roomId)).length
    const runs: Promise<void>[] = []
    for (const name of ['C1', 'C2', 'C3', 'C4', 'Carol']) {
      await rename(carol, name)
      runs.push(fixture.rooms.memberProfiles.propagate(carol.userId))
    }
    await Promise.all(runs)
    assert.equal(await nameIn(roomId, carol), 'Carol')
    assert.ok((await fixture.timeline(roomId)).length <= before + 5)
  })

  it('that a stop cut off is taken up at the next start, and only once', async () => {
    const dave = await fixture.user('dave')
    const roomId = await fixture.rooms.creation.create(dave.userId, {})
    await rename(dave, 'Dave')
    await fixture.restart()
    await fixture.rooms.memberProfiles.resume()
    await fixture.rooms.memberProfiles.idle()
    assert.equal(await nameIn(roomId, dave), 'Dave')
    await fixture.restart()
    const before = fixture.store.position()
    await fixture.rooms.memberProfiles.resume()
    assert.equal(fixture.store.position(), before)
    assert.deepEqual(fixture.errors, [])
  })

  it('keeps what else the member event says, but not what belonged to the join', async () => {
    const other = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat' })
    const rules = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: other }] }
    const initial_state = [{ type: 'm.room.join_rules', content: rules }]
    const roomId = await fixture.rooms.creation.create(alice.userId, { initial_state })
    const erin = await fixture.user('erin')
    await fixture.rooms.memberships.join(erin, other)
    await fixture.rooms.memberships.join(erin, roomId, { reason: 'hello' })
    await rename(erin, 'Erin')
    await fixture.rooms.memberProfiles.propagate(erin.userId)
    const content = (await fixture.state(roomId, 'm.room.member', erin.userId))?.content
    assert.deepEqual(content, { membership: 'join', displayname: 'Erin' })
  })
})
