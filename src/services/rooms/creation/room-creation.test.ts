import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomAlias, RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { ALL_VERSIONS, type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
})
after(() => fixture[Symbol.asyncDispose]())

const typesOf = async (roomId: RoomId) => (await fixture.timeline(roomId)).map(({ type }) => type)

describe('every room version', () => {
  for (const version of ALL_VERSIONS) {
    it(`${version}: create, join, send, change power, redact`, async () => {
      const { rooms } = fixture
      const roomId = await rooms.creation.create(alice.userId, { room_version: version, preset: 'public_chat' })
      assert.equal(roomId.includes(':'), version !== '12')
      await rooms.memberships.join(bob, roomId)
      const message = await fixture.send(bob, roomId, 'm.room.message', { msgtype: 'm.text', body: 'hello' })
      const levels = (await fixture.state(roomId, 'm.room.power_levels'))?.content ?? {}
      const users = { ...(levels['users'] as JsonObject), [bob.userId]: 50 }
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

describe('createRoom', () => {
  it('sends its events in the order of the specification', async () => {
    const roomId = await fixture.rooms.creation.create(alice.userId, {
      preset: 'public_chat',
      room_alias_name: 'order',
      name: 'The Grand Duke Pub',
      topic: 'All about happy hour',
      invite: [bob.userId, bob.userId],
      is_direct: true,
      initial_state: [
        { type: 'm.room.guest_access', content: { guest_access: 'can_join' } },
        { type: 'org.test', state_key: 'x', content: { a: 1 } },
      ],
    })
    assert.deepEqual(await typesOf(roomId), [
      'm.room.create',
      'm.room.member',
      'm.room.power_levels',
      'm.room.canonical_alias',
      'm.room.join_rules',
      'm.room.history_visibility',
      'm.room.guest_access',
      'org.test',
      'm.room.name',
      'm.room.topic',
      'm.room.member',
    ])
    const content = async (type: string, key = '') => (await fixture.state(roomId, type, key))?.content
    assert.deepEqual(await content('m.room.canonical_alias'), { alias: `#order:${SERVER}` })
    assert.deepEqual(await content('m.room.guest_access'), { guest_access: 'can_join' })
    assert.deepEqual(await content('m.room.topic'), {
      topic: 'All about happy hour',
      'm.topic': { 'm.text': [{ body: 'All about happy hour', mimetype: 'text/plain' }] },
    })
    assert.deepEqual(await content('m.room.member', bob.userId), { membership: 'invite', is_direct: true })
    const { roomId: resolved } = await fixture.rooms.aliases.resolve(`#order:${SERVER}` as RoomAlias)
    assert.equal(resolved, roomId)
  })

  for (const [request, joinRule, guestAccess, inviteLevel] of [
    [{ preset: 'private_chat' }, 'invite', 'can_join', 0],
    [{ preset: 'trusted_private_chat' }, 'invite', 'can_join', 0],
    [{ preset: 'public_chat' }, 'public', undefined, 50],
    [{}, 'invite', 'can_join', 0],
    [{ visibility: 'public' }, 'public', undefined, 50],
    [{ visibility: 'public', preset: 'private_chat' }, 'invite', 'can_join', 0],
    [{ preset: 'public_chat', power_level_content_override: { invite: 5 } }, 'public', undefined, 5],
  ] as const) {
    it(`${JSON.stringify(request)} sets join rule, guest access and who may invite`, async () => {
      const roomId = await fixture.rooms.creation.create(alice.userId, request)
      const content = async (type: string) => (await fixture.state(roomId, type))?.content
      assert.deepEqual(await content('m.room.join_rules'), { join_rule: joinRule })
      assert.equal((await content('m.room.guest_access'))?.['guest_access'], guestAccess)
      assert.equal((await content('m.room.power_levels'))?.['invite'], inviteLevel)
      assert.deepEqual(await content('m.room.history_visibility'), { history_visibility: 'shared' })
      const listed = await fixture.rooms.directory.visibility(roomId)
      assert.equal(listed, 'visibility' in request ? 'public' : 'private')
    })
  }

  it('S13: gives rooms of version 12 that are made in the same instant ids of their own, the hash of their beginning', async () => {
    const create = () => fixture.rooms.creation.create(alice.userId, { room_version: '12' })
    const roomIds = await Promise.all([create(), create(), create()])
    assert.equal(new Set(roomIds).size, 3)
    for (const roomId of roomIds) {
      const [first, second] = await fixture.timeline(roomId)
      assert.equal(first?.eventId, `$${roomId.slice(1)}`)
      assert.equal(Object.hasOwn(first?.json ?? {}, 'room_id'), false)
      assert.deepEqual(second?.authEvents, [])
    }
  })

  it('gives the invitees of a trusted_private_chat the rank of the creator', async () => {
    const request = { preset: 'trusted_private_chat', invite: [bob.userId] } as const
    const old = await fixture.rooms.creation.create(alice.userId, { ...request, room_version: '11' })
    const levels = await fixture.state(old, 'm.room.power_levels')
    assert.deepEqual(levels?.content['users'], { [alice.userId]: 100, [bob.userId]: 100 })
    assert.equal((await fixture.state(old, 'm.room.create'))?.content['additional_creators'], undefined)

    const carol = `@carol:${SERVER}` as UserId
    const creation_content = { additional_creators: [carol, bob.userId] }
    const now = await fixture.rooms.creation.create(alice.userId, { ...request, room_version: '12', creation_content })
    const create = await fixture.state(now, 'm.room.create')
    assert.deepEqual(create?.content['additional_creators'], [carol, bob.userId])
    assert.deepEqual((await fixture.state(now, 'm.room.power_levels'))?.content['users'], {})
  })

  it('overwrites creator and room_version of creation_content, and keeps the rest', async () => {
    const given = { creator: '@eve:elsewhere', room_version: '1', type: 'm.space', 'm.federate': false, x: { y: [1] } }
    for (const version of ['10', '11']) {
      const request = { room_version: version, creation_content: given }
      const roomId = await fixture.rooms.creation.create(alice.userId, request)
      const content = (await fixture.state(roomId, 'm.room.create'))?.content
      const { creator: _creator, ...kept } = given
      const expected = { ...kept, room_version: version, ...(version === '10' ? { creator: alice.userId } : {}) }
      assert.deepEqual(content, expected)
    }
  })

  it('merges power_level_content_override by its top-level keys', async () => {
    const power_level_content_override = { events_default: 10, users: { [alice.userId]: 110 } }
    const request = { room_version: '11', power_level_content_override }
    const roomId = await fixture.rooms.creation.create(alice.userId, request)
    const content = (await fixture.state(roomId, 'm.room.power_levels'))?.content
    assert.equal(content?.['events_default'], 10)
    assert.deepEqual(content?.['users'], { [alice.userId]: 110 })
    assert.equal(content?.['state_default'], 50)
  })

  it('puts tombstones above state_default from version 12 on, whatever is overridden', async () => {
    const tombstone = async (override: JsonObject) => {
      const request = { power_level_content_override: override }
      const roomId = await fixture.rooms.creation.create(alice.userId, request)
      const events = (await fixture.state(roomId, 'm.room.power_levels'))?.content['events'] as JsonObject
      return events['m.room.tombstone']
    }
    assert.equal(await tombstone({}), 150)
    assert.equal(await tombstone({ events: {} }), 150)
    assert.equal(await tombstone({ state_default: 200 }), 201)
    assert.equal(await tombstone({ events: { 'm.room.tombstone': 60 } }), 60)
  })

  const refused: readonly (readonly [what: string, request: object, errcode: string])[] = [
    ['an unknown version', { room_version: '99' }, 'M_UNSUPPORTED_ROOM_VERSION'],
    ['an alias with a colon', { room_alias_name: 'a:b' }, 'M_INVALID_PARAM'],
    ['an alias that is too long', { room_alias_name: 'a'.repeat(250) }, 'M_INVALID_PARAM'],
    ['levels as text', { power_level_content_override: { ban: '50' } }, 'M_BAD_JSON'],
    [
      'a creator in users',
      { power_level_content_override: { users: { '@alice:here.test': 100 } } },
      'M_INVALID_ROOM_STATE',
    ],
    ['additional_creators that is no list', { creation_content: { additional_creators: 'x' } }, 'M_INVALID_ROOM_STATE'],
    ['inviting oneself', { invite: ['@alice:here.test'] }, 'M_INVALID_ROOM_STATE'],
    ['a second create event', { initial_state: [{ type: 'm.room.create', content: {} }] }, 'M_INVALID_ROOM_STATE'],
    [
      'too little power for the name',
      { room_version: '11', name: 'x', power_level_content_override: { users: { '@alice:here.test': 10 } } },
      'M_INVALID_ROOM_STATE',
    ],
    [
      'a member event of nobody',
      { initial_state: [{ type: 'm.room.member', state_key: 'x', content: {} }] },
      'M_BAD_JSON',
    ],
    ['a name that is too large', { name: 'x'.repeat(66_000) }, 'M_TOO_LARGE'],
    [
      'invites of users of other servers among the initial state',
      {
        initial_state: [{ type: 'm.room.member', state_key: '@bob:elsewhere.test', content: { membership: 'invite' } }],
      },
      'M_FORBIDDEN',
    ],
  ]
  for (const [what, request, errcode] of refused) {
    it(`refuses ${what} and leaves nothing`, async () => {
      const before = await contents()
      await assert.rejects(fixture.rooms.creation.create(alice.userId, request), { errcode })
      assert.deepEqual(await contents(), before)
    })
  }

  it('makes no alias of an empty name', async () => {
    const roomId = await fixture.rooms.creation.create(alice.userId, { room_alias_name: '' })
    assert.equal(await fixture.state(roomId, 'm.room.canonical_alias'), null)
  })

  it('leaves nothing when the alias is taken, which shows only at the end', async () => {
    await fixture.rooms.creation.create(alice.userId, { room_alias_name: 'taken', visibility: 'public' })
    const before = await contents()
    const again = fixture.rooms.creation.create(bob.userId, { room_alias_name: 'taken', visibility: 'public' })
    await assert.rejects(again, { errcode: 'M_ROOM_IN_USE' })
    assert.deepEqual(await contents(), before)
  })

  it('refuses those who accept no invites, and makes no room without them', async () => {
    const shy = await fixture.user('shy')
    await fixture.store.write((tx) =>
      tx.accountData.put(shy.userNid, null, 'm.invite_permission_config', { default_action: 'block' }),
    )
    const before = await contents()
    const create = fixture.rooms.creation.create(alice.userId, { invite: [bob.userId, shy.userId] })
    await assert.rejects(create, { errcode: 'M_INVITE_BLOCKED' })
    assert.deepEqual(await contents(), before)
  })
})

/** What would show that something was written. */
async function contents() {
  const rooms = [
    ...(await fixture.rooms.memberships.joinedRooms(alice.userNid)),
    ...(await fixture.rooms.memberships.joinedRooms(bob.userNid)),
  ]
  const published = await fixture.store.read((tx) => tx.rooms.publishedCount())
  return { rooms, published, position: fixture.store.position() }
}
