import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { ALL_VERSIONS, roomFixture } from '#test/rooms/room-fixture.ts'

describe('every room version', () => {
  for (const version of ALL_VERSIONS) {
    it(`${version}: create, join, send, change power, redact`, async () => {
      await using fixture = await roomFixture()
      const { rooms } = fixture
      const alice = await fixture.user('alice')
      const bob = await fixture.user('bob')
      const roomId = await rooms.creation.create(alice.userId, { room_version: version, preset: 'public_chat' })
      assert.equal(roomId.includes(':'), version !== '12')
      await rooms.memberships.join(bob, roomId)
      const message = await fixture.send(bob, roomId, 'm.room.message', { msgtype: 'm.text', body: 'hello' })
      const levels = (await fixture.state(roomId, 'm.room.power_levels'))?.content ?? {}
      const users = { ...(levels['users'] as object), [bob.userId]: 50 }
      await fixture.setState(alice, roomId, 'm.room.power_levels', { ...levels, users })
      await fixture.setState(bob, roomId, 'm.room.topic', { topic: 'by a moderator' })
      const redaction = await fixture.send(alice, roomId, 'm.room.redaction', { redacts: message, reason: 'test' })

      const { rules } = (await fixture.row(message)).event
      assert.equal(rules, ROOM_VERSIONS.get(version))
      const redacted = await fixture.row(message)
      assert.deepEqual(redacted.event.content, {})
      assert.equal(redacted.redactedBy, (await fixture.row(redaction)).nid)
      const stored = (await fixture.row(redaction)).event
      assert.equal(stored.redacts, message)
      assert.equal(Object.hasOwn(stored.json, 'redacts'), !rules.redactsInContent)
      assert.equal(await fixture.membership(roomId, bob.userId), 'join')
    })
  }
})
