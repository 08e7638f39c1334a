import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { JsonObject } from '#core/json/value.ts'
import { ALL_VERSIONS, type RoomFixture, roomFixture, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let walter: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  walter = await fixture.user('walter')
})
after(() => fixture[Symbol.asyncDispose]())

const room = (version = '11') =>
  fixture.rooms.creation.create(alice.userId, { room_version: version, preset: 'public_chat' })
const levels = async (roomId: Awaited<ReturnType<typeof room>>) =>
  (await fixture.state(roomId, 'm.room.power_levels'))?.content as JsonObject
const appoint = (roomId: Awaited<ReturnType<typeof room>>) => {
  return fixture.rooms.administrators.appoint(walter.userId, roomId)
}

describe('make room admin', () => {
  for (const version of ALL_VERSIONS) {
    it(`gives what another user of this server holds, in version ${version}`, async () => {
      const roomId = await room(version)
      await fixture.rooms.memberships.join(walter, roomId)
      const before = await levels(roomId)
      assert.deepEqual(await appoint(roomId), { by: alice.userId, level: 100 })
      const users = { ...(before['users'] as JsonObject), [walter.userId]: 100 }
      assert.deepEqual(await levels(roomId), { ...before, users })
      assert.equal((await fixture.state(roomId, 'm.room.power_levels'))?.sender, alice.userId)
    })
  }

  it('sends nothing for one who has it already', async () => {
    const roomId = await room()
    await appoint(roomId)
    const { eventId } = (await fixture.state(roomId, 'm.room.power_levels'))!
    assert.deepEqual(await appoint(roomId), { by: alice.userId, level: 100 })
    assert.equal((await fixture.state(roomId, 'm.room.power_levels'))?.eventId, eventId)
  })

  it('is refused where nobody of this server holds power', async () => {
    const roomId = await room()
    await fixture.rooms.memberships.join(walter, roomId)
    await fixture.rooms.memberships.leave(alice, roomId)
    await assert.rejects(appoint(roomId), { errcode: 'M_FORBIDDEN' })
  })
})
