import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import { ALL_VERSIONS, type RoomFixture, roomFixture, type TestUser } from '#test/rooms/room-fixture.ts'

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

const newRoom = async (version = '12'): Promise<RoomId> => {
  const roomId = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat', room_version: version })
  await fixture.rooms.memberships.join(bob, roomId)
  await fixture.rooms.memberships.join(carol, roomId)
  return roomId
}
const say = (user: TestUser, roomId: RoomId) => fixture.send(user, roomId, 'm.room.message', { body: 'secret' })
const redact = (user: TestUser, roomId: RoomId, redacts: string) =>
  fixture.send(user, roomId, 'm.room.redaction', { redacts })

describe('S16, S17: who may redact', () => {
  for (const version of ALL_VERSIONS) {
    it(`is the sender, those with the redact level, and administrators, in version ${version}`, async () => {
      const roomId = await newRoom(version)
      const ownMessage = await say(bob, roomId)
      await redact(bob, roomId, ownMessage)
      const bobs = await say(bob, roomId)
      await assert.rejects(redact(carol, roomId, bobs), { errcode: 'M_FORBIDDEN' })
      assert.deepEqual((await fixture.row(bobs)).event.content, { body: 'secret' })
      await redact(alice, roomId, bobs)
      const alices = await say(alice, roomId)
      await redact({ ...carol, isAdmin: true }, roomId, alices)
      for (const eventId of [ownMessage, bobs, alices]) {
        assert.deepEqual((await fixture.row(eventId)).event.content, {})
      }
    })
  }

  it('ends at the door of the room', async () => {
    const here = await newRoom()
    const there = await newRoom()
    const message = await say(bob, there)
    await assert.rejects(redact(bob, here, message), { errcode: 'M_NOT_FOUND' })
    await assert.rejects(redact(alice, here, 'no-event-id'), { errcode: 'M_NOT_FOUND' })
    assert.deepEqual((await fixture.row(message)).event.content, { body: 'secret' })
  })
})

describe('S16: a redaction', () => {
  it('may be redacted itself, and what it redacted stays redacted', async () => {
    for (const version of ['10', '11']) {
      const roomId = await newRoom(version)
      const message = await say(bob, roomId)
      const redaction = await redact(bob, roomId, message)
      await redact(alice, roomId, redaction)
      assert.deepEqual((await fixture.row(message)).event.content, {})
      assert.notEqual((await fixture.row(redaction)).redactedBy, null)
    }
  })

  it('of what is redacted already is sent, and changes nothing', async () => {
    const roomId = await newRoom()
    const message = await say(bob, roomId)
    const first = await redact(bob, roomId, message)
    await redact(alice, roomId, message)
    assert.equal((await fixture.row(message)).redactedBy, (await fixture.row(first)).nid)
  })

  it('of the create event is only allowed where that leaves the room as it is', async () => {
    for (const version of ALL_VERSIONS) {
      const roomId = await newRoom(version)
      const create = await fixture.state(roomId, 'm.room.create')
      const redacting = redact(alice, roomId, create?.eventId ?? '')
      if (create?.rules.redaction.contentKept['m.room.create'] === true) await redacting
      else await assert.rejects(redacting, { errcode: 'M_FORBIDDEN' })
      await fixture.restart()
      const { rules } = (await fixture.row(await say(bob, roomId))).event
      assert.equal(rules.version, version)
      assert.deepEqual((await fixture.state(roomId, 'm.room.create'))?.content, create?.content)
    }
  })

  it('of an access control list would shut out everybody, and is refused while that list stands', async () => {
    const roomId = await newRoom()
    const first = await fixture.setState(alice, roomId, 'm.room.server_acl', { allow: ['*'], deny: ['evil.test'] })
    await assert.rejects(redact(alice, roomId, first), { errcode: 'M_FORBIDDEN' })
    const open = await fixture.setState(alice, roomId, 'm.room.server_acl', { allow: ['*'] })
    await redact(alice, roomId, first)
    assert.equal((await fixture.state(roomId, 'm.room.server_acl'))?.eventId, open)
  })

  it('of other state stands for what could be sent, and is done', async () => {
    const roomId = await newRoom('10')
    for (const type of ['m.room.power_levels', 'm.room.join_rules', 'm.room.history_visibility', 'm.room.name']) {
      const content = (await fixture.state(roomId, type))?.content ?? { name: 'secret' }
      const eventId = await fixture.setState(alice, roomId, type, { ...content, extra: 'secret' })
      await redact(alice, roomId, eventId)
      assert.equal((await fixture.state(roomId, type))?.content['extra'], undefined, type)
    }
  })

  it('of an event that is not here goes out, and clients do not see it', async () => {
    const roomId = await newRoom()
    const redaction = await redact(bob, roomId, `$${'u'.repeat(43)}`)
    const row = await fixture.row(redaction)
    assert.deepEqual([row.rejected, row.softFailed, row.unapplied], [false, false, true])
    assert.ok(!(await fixture.timeline(roomId)).some(({ eventId }) => eventId === redaction))
    const next = await fixture.row(await say(bob, roomId))
    assert.deepEqual(next.event.prevEvents, [redaction])
  })

  it('of state counts at once for the events after it, in the same batch too', async () => {
    // In version 10, a redaction takes the invite level away, which is 0 then.
    const roomId = await newRoom('10')
    const levels = (await fixture.state(roomId, 'm.room.power_levels'))?.content ?? {}
    const raised = await fixture.setState(alice, roomId, 'm.room.power_levels', { ...levels, invite: 100 })
    const dave = await fixture.user('dave')
    await assert.rejects(fixture.rooms.memberships.invite(bob, roomId, dave.userId), { errcode: 'M_FORBIDDEN' })
    await Promise.all([
      redact(alice, roomId, raised),
      fixture.setState(bob, roomId, 'm.room.member', { membership: 'invite' }, dave.userId),
    ])
    assert.equal(await fixture.membership(roomId, dave.userId), 'invite')
    const erin = await fixture.user('erin')
    await fixture.rooms.memberships.invite(bob, roomId, erin.userId)
  })

  it('of a join leaves the user joined, without a name', async () => {
    const roomId = await newRoom()
    const join = await fixture.state(roomId, 'm.room.member', bob.userId)
    await redact(alice, roomId, join?.eventId ?? '')
    assert.equal(await fixture.membership(roomId, bob.userId), 'join')
    await say(bob, roomId)
  })
})
