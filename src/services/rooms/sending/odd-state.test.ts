/** S54: no state, whatever its content, keeps a room from working. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { type RoomFixture, roomFixture, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
})
after(() => fixture[Symbol.asyncDispose]())

const ODD_VALUES: readonly JsonValue[] = [null, [null], 'text', 5, {}]

/** Types of state that this server reads, each with the fields that it reads. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'm.room.power_levels': [
    'users',
    'users_default',
    'events',
    'events_default',
    'state_default',
    'ban',
    'notifications',
  ],
  'm.room.join_rules': ['join_rule', 'allow'],
  'm.room.history_visibility': ['history_visibility'],
  'm.room.guest_access': ['guest_access'],
  'm.room.name': ['name'],
  'm.room.topic': ['topic', 'm.topic'],
  'm.room.avatar': ['url', 'info'],
  'm.room.canonical_alias': ['alias', 'alt_aliases'],
  'm.room.server_acl': ['allow', 'deny', 'allow_ip_literals'],
  'm.room.encryption': ['algorithm'],
  'm.room.tombstone': ['replacement_room'],
  'm.room.pinned_events': ['pinned'],
  'm.room.third_party_invite': ['public_key', 'public_keys', 'display_name'],
  'm.space.child': ['via', 'order'],
}

describe('S54: odd state', () => {
  for (const [type, fields] of Object.entries(FIELDS)) {
    // Power levels were looser before version 10.
    for (const version of type === 'm.room.power_levels' ? ['5', '12'] : ['12']) {
      it(`of ${type} leaves sending, joining, leaving and the list of rooms working, version ${version}`, async () => {
        const roomId = await fixture.rooms.creation.create(alice.userId, {
          room_version: version,
          preset: 'public_chat',
          visibility: 'public',
        })
        const current = (await fixture.state(roomId, type))?.content ?? {}
        for (const value of ODD_VALUES) {
          const contents: JsonObject[] = [...fields.map((field) => ({ ...current, [field]: value })), {}]
          await Promise.all(contents.map((odd) => expectedFailures(fixture.setState(alice, roomId, type, odd))))
          await fixture.send(alice, roomId, 'm.room.message', { body: 'still here' })
          await expectedFailures(fixture.rooms.memberships.join(bob, roomId))
          await expectedFailures(fixture.rooms.memberships.leave(bob, roomId))
          const page = await fixture.rooms.directory.list({ searchTerm: '', roomTypes: [null] })
          assert.ok(page.chunk.some(({ room_id }) => room_id === roomId))
        }
        await expectedFailures(fixture.rooms.directory.setVisibility(alice, roomId, 'private'))
      })
    }
  }

  it('of m.room.create is kept, or refused as a whole', async () => {
    for (const field of ['type', 'predecessor', 'm.federate', 'additional_creators', 'x']) {
      for (const value of ODD_VALUES) {
        const create = fixture.rooms.creation.create(alice.userId, {
          preset: 'public_chat',
          visibility: 'public',
          creation_content: { [field]: value },
        })
        const roomId = await expectedFailures(create)
        if (roomId === null) continue
        await fixture.rooms.memberships.join(bob, roomId)
        await fixture.send(bob, roomId, 'm.room.message', { body: 'hello' })
        await fixture.rooms.directory.list({})
        await fixture.rooms.directory.setVisibility(alice, roomId, 'private')
      }
    }
  })

  it('of members leaves the room working', async () => {
    const roomId = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat' })
    for (const field of ['displayname', 'avatar_url', 'reason', 'third_party_invite', 'is_direct']) {
      for (const value of ODD_VALUES) {
        const content = { membership: 'join', [field]: value }
        await expectedFailures(fixture.setState(bob, roomId, 'm.room.member', content, bob.userId))
        await fixture.send(bob, roomId, 'm.room.message', { body: 'hello' })
      }
    }
  })
})

/** null for what was refused as the specification has it; anything else is a defect. */
async function expectedFailures<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (error instanceof MatrixError) return null
    throw error
  }
}
