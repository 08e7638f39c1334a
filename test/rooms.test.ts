/** Making, changing and finding rooms over HTTP: each operation's success against its schema, and its failures. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'
import { RoomClient } from '#test/harness/room-client.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

let hearth: Hearth
let alice: RoomClient
let bob: RoomClient
before(async () => {
  hearth = await startHearth()
  alice = new RoomClient(hearth, await hearth.user('alice'))
  bob = new RoomClient(hearth, await hearth.user('bob'))
})
after(() => hearth[Symbol.asyncDispose]())

/** Asks for something that must fail so. */
async function refused(
  client: RoomClient,
  operation: string,
  [method, path, body]: readonly [method: string, path: string, body?: unknown],
  status: number,
  errcode: string,
): Promise<void> {
  const reply = await client.request(method, path, body)
  assert.deepEqual([reply.status, reply.body?.errcode], [status, errcode], `${path}: ${reply.text}`)
  assertMatchesSpec(operation, reply.status, reply.body)
}

const encoded = encodeURIComponent
const alias = (localpart: string) => encoded(`#${localpart}:hearth.example`)

describe('createRoom', () => {
  it('makes rooms of every version', async () => {
    for (let version = 1; version <= 12; version++) {
      const roomId = await alice.createRoom({ room_version: String(version), preset: 'public_chat' })
      await bob.join(roomId)
      await bob.send(roomId)
    }
  })

  const wrong: readonly (readonly [body: unknown, status: number, errcode: string])[] = [
    [[], 400, 'M_BAD_JSON'],
    ['{', 400, 'M_NOT_JSON'],
    [{ preset: 'party' }, 400, 'M_BAD_JSON'],
    [{ invite: 'bob' }, 400, 'M_BAD_JSON'],
    [{ invite: ['bob'] }, 400, 'M_BAD_JSON'],
    [{ initial_state: [{ type: 'x' }] }, 400, 'M_MISSING_PARAM'],
    [{ room_version: 'x' }, 400, 'M_UNSUPPORTED_ROOM_VERSION'],
    [{ room_version: 12 }, 400, 'M_BAD_JSON'],
    [
      { invite: ['@bob:hearth.example'], initial_state: [{ type: 'm.room.create', content: {} }] },
      400,
      'M_INVALID_ROOM_STATE',
    ],
    [{ power_level_content_override: { ban: 1e300 } }, 400, 'M_BAD_JSON'],
    [
      { invite_3pid: [{ medium: 'email', address: 'a@b.c', id_server: 'x', id_access_token: 'y' }] },
      400,
      'M_SERVER_NOT_TRUSTED',
    ],
  ]
  for (const [body, status, errcode] of wrong) {
    it(`refuses ${JSON.stringify(body).slice(0, 60)} with ${errcode}`, () =>
      refused(alice, 'createRoom', ['POST', '/createRoom', body], status, errcode))
  }
})

describe('membership', () => {
  it('goes through all its changes', async () => {
    const roomId = await alice.createRoom({ preset: 'private_chat' })
    const room = `/rooms/${roomId}`
    await refused(bob, 'joinRoomById', ['POST', `${room}/join`, {}], 403, 'M_FORBIDDEN')
    await refused(bob, 'leaveRoom', ['POST', `${room}/leave`, {}], 403, 'M_FORBIDDEN')
    await alice.invite(roomId, bob)
    await alice.invite(roomId, bob)
    assert.deepEqual(await bob.join(roomId), { room_id: roomId })
    await refused(alice, 'inviteUser', ['POST', `${room}/invite`, { user_id: bob.userId }], 403, 'M_FORBIDDEN')
    const { joined_rooms } = await bob.get('getJoinedRooms', '/joined_rooms')
    assert.ok(joined_rooms.includes(roomId))
    await alice.do('kick', 'POST', `${room}/kick`, { user_id: bob.userId, reason: 'x' })
    await refused(alice, 'kick', ['POST', `${room}/kick`, { user_id: bob.userId }], 403, 'M_FORBIDDEN')
    await alice.ban(roomId, bob)
    await refused(bob, 'joinRoomById', ['POST', `${room}/join`], 403, 'M_FORBIDDEN')
    await refused(bob, 'unban', ['POST', `${room}/unban`, { user_id: bob.userId }], 403, 'M_FORBIDDEN')
    await alice.do('unban', 'POST', `${room}/unban`, { user_id: bob.userId })
    await refused(alice, 'unban', ['POST', `${room}/unban`, { user_id: bob.userId }], 403, 'M_BAD_STATE')
    await bob.do('forgetRoom', 'POST', `${room}/forget`)
    await refused(alice, 'forgetRoom', ['POST', `${room}/forget`], 400, 'M_UNKNOWN')
    await alice.leave(roomId)
    await alice.leave(roomId)
    await refused(alice, 'kick', ['POST', `${room}/kick`, {}], 400, 'M_MISSING_PARAM')
    await refused(alice, 'inviteUser', ['POST', `${room}/invite`, {}], 400, 'M_MISSING_PARAM')
  })

  it('knocks and joins by alias', async () => {
    const rules = { type: 'm.room.join_rules', content: { join_rule: 'knock' } }
    const roomId = await alice.createRoom({ room_alias_name: 'door', initial_state: [rules] })
    const answer = await bob.do('knockRoom', 'POST', `/knock/${alias('door')}?via=hearth.example`, { reason: 'knock' })
    assert.deepEqual(answer, { room_id: roomId })
    await alice.invite(roomId, bob)
    await refused(bob, 'knockRoom', ['POST', `/knock/${alias('door')}`], 403, 'M_FORBIDDEN')
    assert.deepEqual(await bob.do('joinRoom', 'POST', `/join/${alias('door')}`), { room_id: roomId })
    await refused(bob, 'knockRoom', ['POST', `/knock/${alias('nodoor')}`], 404, 'M_NOT_FOUND')
    await refused(bob, 'joinRoom', ['POST', `/join/${encoded('!no:hearth.example')}`], 404, 'M_NOT_FOUND')
  })

  it('puts what else the body of a join says into the member event', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const member = async () => {
      const path = `/rooms/${roomId}/state/m.room.member/${encoded(bob.userId)}`
      return (await bob.get('getRoomStateWithKey', path)) as object
    }
    const given = {
      reason: 'curious',
      displayname: 'Bob here',
      'org.test.kind': { n: [1, null] },
      membership: 'ban',
      join_authorised_via_users_server: alice.userId,
      third_party_invite: {},
    }
    const expected = {
      reason: 'curious',
      displayname: 'Bob here',
      'org.test.kind': { n: [1, null] },
      membership: 'join',
    }
    await bob.do('joinRoomById', 'POST', `/rooms/${roomId}/join`, given)
    assert.deepEqual(await member(), expected)
    await bob.leave(roomId)
    await bob.do('joinRoom', 'POST', `/join/${encoded(roomId)}`, given)
    assert.deepEqual(await member(), expected)
  })

  it('lets guests where they may go, and only there', async () => {
    const { body } = await hearth.request('POST', '/register?kind=guest', { body: {} })
    const guest = new RoomClient(hearth, { userId: body.user_id, deviceId: '', token: body.access_token, password: '' })
    const open = { type: 'm.room.guest_access', content: { guest_access: 'can_join' } }
    const roomId = await alice.createRoom({ preset: 'public_chat', initial_state: [open] })
    await guest.join(roomId)
    await guest.send(roomId)
    const closed = await alice.createRoom({ preset: 'public_chat' })
    const join = ['POST', `/rooms/${closed}/join`] as const
    await refused(guest, 'joinRoomById', join, 403, 'M_GUEST_ACCESS_FORBIDDEN')
    await refused(guest, 'createRoom', ['POST', '/createRoom', {}], 403, 'M_GUEST_ACCESS_FORBIDDEN')
    await alice.setState(roomId, 'm.room.guest_access', { guest_access: 'forbidden' })
    await refused(guest, 'sendMessage', ['PUT', `/rooms/${roomId}/send/m.room.message/t`, {}], 403, 'M_FORBIDDEN')
  })
})

describe('sending', () => {
  it('keeps content letter for letter, and refuses what canonical JSON can not hold', async () => {
    const roomId = await alice.createRoom()
    const path = `/rooms/${roomId}/send/m.room.message`
    const content = { body: 'ü\u0000\ud83d\ude00', __proto__x: [null, true, -5, { '': [] }], n: 9007199254740991 }
    const { body } = await alice.request('PUT', `${path}/keep`, JSON.stringify(content))
    const read = await alice.get('getOneRoomEvent', `/rooms/${roomId}/event/${encoded(body.event_id)}`)
    assert.deepEqual(read.content, content)
    assert.equal(read.unsigned.transaction_id, 'keep')
    for (const number of ['1.1', '9007199254740992', '-9007199254740992', '1e2', '-0']) {
      await refused(alice, 'sendMessage', ['PUT', `${path}/n${number}`, `{"n":${number}}`], 400, 'M_BAD_JSON')
    }
    await refused(alice, 'sendMessage', ['PUT', `${path}/large`, { body: 'x'.repeat(65_600) }], 413, 'M_TOO_LARGE')
    await refused(alice, 'sendMessage', ['PUT', `${path}/array`, []], 400, 'M_BAD_JSON')
    const longType = ['PUT', `/rooms/${roomId}/send/${'t'.repeat(256)}/x`, {}] as const
    await refused(alice, 'sendMessage', longType, 413, 'M_TOO_LARGE')
    await refused(alice, 'sendMessage', ['PUT', `${path}/${'t'.repeat(256)}`, {}], 400, 'M_INVALID_PARAM')
    await refused(bob, 'sendMessage', ['PUT', `${path}/x`, {}], 403, 'M_FORBIDDEN')
    const nowhere = `/rooms/${encoded('!no:hearth.example')}/send/m.room.message/x`
    await refused(bob, 'sendMessage', ['PUT', nowhere, {}], 403, 'M_FORBIDDEN')
  })

  it('answers a repeated transaction with the same event', async () => {
    const roomId = await alice.createRoom()
    const path = `/rooms/${roomId}/send/m.room.message/again`
    const replies = await Promise.all(Array.from({ length: 20 }, () => alice.request('PUT', path, { body: 'x' })))
    assert.equal(new Set(replies.map(({ body }) => body.event_id)).size, 1)
  })

  it('redacts by both endpoints', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    const one = await bob.send(roomId)
    const two = await bob.send(roomId)
    const path = `/rooms/${roomId}/redact/${encoded(one)}/r1`
    const { event_id } = await alice.do('redactEvent', 'PUT', path, { reason: 'x' })
    assert.equal((await alice.do('redactEvent', 'PUT', path, { reason: 'x' })).event_id, event_id)
    await bob.send(roomId, { redacts: two }, 'm.room.redaction')
    for (const eventId of [one, two]) {
      const event = await alice.get('getOneRoomEvent', `/rooms/${roomId}/event/${encoded(eventId)}`)
      assert.deepEqual(event.content, {})
      assert.equal(event.unsigned.redacted_because.type, 'm.room.redaction')
    }
    const unknown = ['PUT', `/rooms/${roomId}/redact/${encoded('$nothing')}/r2`, {}] as const
    await refused(alice, 'redactEvent', unknown, 404, 'M_NOT_FOUND')
    const foreign = ['PUT', `/rooms/${roomId}/redact/${encoded(await alice.send(roomId))}/r3`, {}] as const
    await refused(bob, 'redactEvent', foreign, 403, 'M_FORBIDDEN')
  })

  it('sets state with and without a state key', async () => {
    const roomId = await alice.createRoom()
    const eventId = await alice.setState(roomId, 'm.room.name', { name: 'one' })
    const again = await alice.request('PUT', `/rooms/${roomId}/state/m.room.name`, { name: 'one' })
    assert.equal(again.body.event_id, eventId)
    await alice.setState(roomId, 'org.test', { a: 1 }, '/ä')
    const read = await alice.get('getRoomStateWithKey', `/rooms/${roomId}/state/org.test/${encoded('/ä')}`)
    assert.deepEqual(read, { a: 1 })
    const levels = ['PUT', `/rooms/${roomId}/state/m.room.power_levels`, { users: { x: 1 } }] as const
    await refused(alice, 'setRoomStateWithKey', levels, 400, 'M_BAD_JSON')
    const canonical = ['PUT', `/rooms/${roomId}/state/m.room.canonical_alias`, { alias: '#no:hearth.example' }] as const
    await refused(alice, 'setRoomStateWithKey', canonical, 400, 'M_BAD_ALIAS')
    const longKey = ['PUT', `/rooms/${roomId}/state/org.test/${'k'.repeat(256)}`, {}] as const
    await refused(alice, 'setRoomStateWithKey', longKey, 413, 'M_TOO_LARGE')
  })

  it('carries a new display name into the rooms', async () => {
    const roomId = await alice.createRoom()
    const path = `/profile/${encoded(alice.userId)}/displayname`
    await alice.do('setProfileField', 'PUT', path, { displayname: 'Alice A.' })
    const member = await alice.get(
      'getRoomStateWithKey',
      `/rooms/${roomId}/state/m.room.member/${encoded(alice.userId)}`,
    )
    assert.deepEqual(member, { membership: 'join', displayname: 'Alice A.' })
  })
})

describe('aliases and the list of rooms', () => {
  it('are set, read and taken away', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const path = `/directory/room/${alias('one')}`
    await refused(bob, 'setRoomAlias', ['PUT', path, { room_id: roomId }], 403, 'M_FORBIDDEN')
    await alice.do('setRoomAlias', 'PUT', path, { room_id: roomId })
    await refused(alice, 'setRoomAlias', ['PUT', path, { room_id: roomId }], 409, 'M_UNKNOWN')
    assert.deepEqual(await bob.get('getRoomIdByAlias', path), { room_id: roomId, servers: ['hearth.example'] })
    const { aliases } = await alice.get('getLocalAliases', `/rooms/${roomId}/aliases`)
    assert.deepEqual(aliases, ['#one:hearth.example'])
    await refused(bob, 'getLocalAliases', ['GET', `/rooms/${roomId}/aliases`], 403, 'M_FORBIDDEN')
    await refused(bob, 'deleteRoomAlias', ['DELETE', path], 403, 'M_FORBIDDEN')
    await alice.do('deleteRoomAlias', 'DELETE', path)
    await refused(alice, 'getRoomIdByAlias', ['GET', path], 404, 'M_NOT_FOUND')
    await refused(alice, 'deleteRoomAlias', ['DELETE', path], 404, 'M_NOT_FOUND')
    await refused(alice, 'setRoomAlias', ['PUT', '/directory/room/%23x', { room_id: roomId }], 400, 'M_INVALID_PARAM')
  })

  it('publish and find rooms', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Findable' })
    const path = `/directory/list/room/${roomId}`
    assert.deepEqual(await bob.get('getRoomVisibilityOnDirectory', path), { visibility: 'private' })
    await refused(bob, 'setRoomVisibilityOnDirectory', ['PUT', path, { visibility: 'public' }], 403, 'M_FORBIDDEN')
    const nothing = { visibility: null }
    await refused(alice, 'setRoomVisibilityOnDirectory', ['PUT', path, nothing], 400, 'M_BAD_JSON')
    await alice.do('setRoomVisibilityOnDirectory', 'PUT', path, {})
    assert.deepEqual(await bob.get('getRoomVisibilityOnDirectory', path), { visibility: 'public' })
    const listed = await bob.get('getPublicRooms', '/publicRooms?limit=5')
    assert.deepEqual(
      listed.chunk.map((room: { room_id: string }) => room.room_id),
      [roomId],
    )
    const filter = { generic_search_term: 'findable', room_types: [null] }
    const found = await bob.do('queryPublicRooms', 'POST', '/publicRooms', { filter, limit: 5 })
    assert.equal(found.chunk.length, 1)
    await refused(bob, 'getPublicRooms', ['GET', '/publicRooms?server=127.0.0.1:1'], 502, 'M_UNKNOWN')
    await refused(bob, 'getPublicRooms', ['GET', '/publicRooms?since=x'], 400, 'M_INVALID_PARAM')
    const stranger = await hearth.request('GET', '/publicRooms')
    assert.deepEqual([stranger.status, stranger.body.errcode], [401, 'M_MISSING_TOKEN'])
    const nowhere = `/directory/list/room/${encoded('!no:hearth.example')}`
    await refused(alice, 'getRoomVisibilityOnDirectory', ['GET', nowhere], 404, 'M_NOT_FOUND')
  })

  it('follow an upgrade', async () => {
    const roomId = await alice.createRoom({ room_version: '11', room_alias_name: 'moving', preset: 'public_chat' })
    await bob.join(roomId)
    const path = `/rooms/${roomId}/upgrade`
    await refused(bob, 'upgradeRoom', ['POST', path, { new_version: '12' }], 403, 'M_FORBIDDEN')
    await refused(alice, 'upgradeRoom', ['POST', path, { new_version: 'x' }], 400, 'M_UNSUPPORTED_ROOM_VERSION')
    await refused(alice, 'upgradeRoom', ['POST', path, {}], 400, 'M_MISSING_PARAM')
    const answer = await alice.do('upgradeRoom', 'POST', path, { new_version: '12' })
    const resolved = await bob.get('getRoomIdByAlias', `/directory/room/${alias('moving')}`)
    assert.equal(resolved.room_id, answer.replacement_room)
    await bob.join(answer.replacement_room)
  })
})

describe('W3: limits', () => {
  it('hold back who makes rooms, joins, invites and writes too fast', async () => {
    const slow = (burst: number) => ({ per_second: 0.001, burst })
    await using limited = await startHearth({
      rate_limits: { message: slow(10), invite_per_target: slow(5), join_local: slow(10), room_creation: slow(10) },
    })
    const carol = new RoomClient(limited, await limited.user('carol'))
    const roomId = await carol.createRoom({ preset: 'public_chat' })
    const until = async (most: number, attempt: (index: number) => Promise<{ status: number; headers: Headers }>) => {
      for (let index = 0; index <= most; index++) {
        const { status, headers } = await attempt(index)
        if (status !== 429) continue
        assert.ok(Number(headers.get('retry-after')) >= 1)
        return index
      }
      return null
    }
    const send = (index: number) =>
      carol.request('PUT', `/rooms/${roomId}/send/m.room.message/t${index}`, { body: 'x' })
    assert.equal(await until(10, send), 10)
    const invite = () => carol.request('POST', `/rooms/${roomId}/invite`, { user_id: '@dave:hearth.example' })
    assert.equal(await until(5, invite), 5)
    assert.equal(await until(10, () => carol.request('POST', `/join/${roomId}`)), 10)
    assert.equal(await until(9, () => carol.request('POST', '/createRoom', {})), 9)
  })
})
