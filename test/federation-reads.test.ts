/** What other servers read of this one, and what its users read of others, over HTTP with signed requests. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type Hearth, type Reply, startHearth } from '#test/harness/hearth.ts'
import { networkOf, Peer } from '#test/harness/peer.ts'
import { RoomClient } from '#test/harness/room-client.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

const F1 = '/_matrix/federation/v1'
const e = encodeURIComponent

let hearth: Hearth
let alice: RoomClient
let roomId: string
let sent: string
const peer = new Peer('there.test')
const outsider = new Peer('outsider.test')
before(async () => {
  hearth = await startHearth(
    {
      listeners: [{ host: '127.0.0.1', port: 0, resources: ['client', 'federation'] }],
      rooms: { public_list_over_federation: true },
    },
    { transport: networkOf(peer, outsider) },
  )
  alice = new RoomClient(hearth, await hearth.user('alice'))
  const body = { preset: 'public_chat', name: 'Here', room_alias_name: 'here', visibility: 'public' }
  roomId = await alice.createRoom(body)
  const remy = { userId: `@remy:${peer.name}` as UserId, isGuest: false }
  await hearth.services.rooms.memberships.join(remy, roomId as RoomId)
  sent = await alice.send(roomId)
})
after(() => hearth[Symbol.asyncDispose]())

function checked(operation: string, { status, body }: Reply, expected = 200): Reply['body'] {
  assert.equal(status, expected, `${operation}: ${JSON.stringify(body)}`)
  assertMatchesSpec(`server-server ${operation}`, status, body)
  return body
}
const get = async (operation: string, path: string, expected = 200, by = peer) =>
  checked(operation, await by.request(hearth, 'GET', F1 + path), expected)
const post = async (operation: string, path: string, body: JsonObject) =>
  checked(operation, await peer.request(hearth, 'POST', F1 + path, body))

describe('a server in the room', () => {
  it('reads events', async () => {
    const one = await get('getEvent', `/event/${e(sent)}`)
    assert.equal(one.origin, 'hearth.example')
    assert.equal(one.pdus[0].content.body, 'hello')
    const back = await get('backfillRoom', `/backfill/${e(roomId)}?v=${e(sent)}&v=${e(sent)}&limit=3`)
    assert.equal(back.pdus.length, 3)
    const body = { earliest_events: [], latest_events: [sent], limit: 2 }
    const missing = await post('getMissingPreviousEvents', `/get_missing_events/${e(roomId)}`, body)
    assert.equal(missing.events.length, 2)
    assert.equal(missing.events[1].type, 'm.room.member')
    const time = await get('getEventByTimestamp', `/timestamp_to_event/${e(roomId)}?ts=1800000000000&dir=b`)
    assert.ok(time.origin_server_ts > 0)
  })

  it('reads state', async () => {
    const query = `${e(roomId)}?event_id=${e(sent)}`
    const state = await get('getRoomState', `/state/${query}`)
    const ids = await get('getRoomStateIds', `/state_ids/${query}`)
    assert.equal(ids.pdu_ids.length, state.pdus.length)
    assert.equal(ids.auth_chain_ids.length, state.auth_chain.length)
    const chain = await get('getEventAuth', `/event_auth/${e(roomId)}/${e(sent)}`)
    assert.ok(chain.auth_chain.some(({ type }: { type: string }) => type === 'm.room.create'))
  })

  it('is told what is wrong with a question', async () => {
    await get('getEvent', '/event/%24unknown', 404)
    await get('getRoomStateIds', `/state_ids/${e(roomId)}`, 400)
    await get('backfillRoom', `/backfill/${e(roomId)}?limit=3`, 400)
    await get('backfillRoom', `/backfill/${e(roomId)}?v=${e(sent)}&limit=x`, 400)
    await get('getEventByTimestamp', `/timestamp_to_event/${e(roomId)}?ts=1&dir=x`, 400)
    assert.equal((await get('queryInfo', '/query/weather', 404)).errcode, 'M_UNRECOGNIZED')
  })
})

describe('S30: a server outside of the room', () => {
  it('reads nothing of it', async () => {
    const query = `${e(roomId)}?event_id=${e(sent)}`
    const refused: readonly (readonly [string, string])[] = [
      ['getEvent', `/event/${e(sent)}`],
      ['backfillRoom', `/backfill/${e(roomId)}?v=${e(sent)}&limit=3`],
      ['getEventByTimestamp', `/timestamp_to_event/${e(roomId)}?ts=1&dir=f`],
      ['getRoomState', `/state/${query}`],
      ['getRoomStateIds', `/state_ids/${query}`],
      ['getEventAuth', `/event_auth/${e(roomId)}/${e(sent)}`],
    ]
    for (const [operation, path] of refused) {
      assert.equal((await get(operation, path, 403, outsider)).errcode, 'M_FORBIDDEN')
      const unsigned = await hearth.request('GET', F1 + path)
      assert.deepEqual([unsigned.status, unsigned.body.errcode], [401, 'M_UNAUTHORIZED'])
    }
  })
})

describe('any server', () => {
  it('reads profiles, aliases, devices and the list of rooms', async () => {
    assert.deepEqual(await get('queryProfile', `/query/profile?user_id=${e(alice.userId)}&field=displayname`), {
      displayname: 'alice',
    })
    await get('queryProfile', `/query/profile?user_id=${e('@nobody:hearth.example')}`, 404)
    assert.deepEqual(await get('queryRoomDirectory', `/query/directory?room_alias=${e('#here:hearth.example')}`), {
      room_id: roomId,
      servers: ['hearth.example', 'there.test'],
    })
    assert.equal((await get('getUserDevices', `/user/devices/${e(alice.userId)}`)).devices.length, 1)
    const wanted = { [alice.userId]: [], '@remy:there.test': [] }
    const keys = await post('queryUserEncryptionKeys', '/user/keys/query', { device_keys: wanted })
    assert.deepEqual(keys, { device_keys: { [alice.userId]: {} }, master_keys: {}, self_signing_keys: {} })
    const claim = { one_time_keys: { [alice.userId]: { D: 'signed_curve25519' } } }
    assert.deepEqual(await post('claimUserEncryptionKeys', '/user/keys/claim', claim), { one_time_keys: {} })
    assert.equal((await get('getPublicRooms', '/publicRooms?limit=5')).chunk[0].room_id, roomId)
    const filter = { generic_search_term: 'nothing like it' }
    assert.deepEqual((await post('queryPublicRooms', '/publicRooms', { filter })).chunk, [])
    const { room } = await get('getSpaceHierarchy', `/hierarchy/${e(roomId)}`, 200, outsider)
    assert.deepEqual([room.name, room.num_joined_members], ['Here', 2])
  })
})

describe('a user', () => {
  it('finds rooms and people of other servers', async () => {
    const alias = '#theirs:there.test'
    const theirs = '!theirs:there.test'
    peer.answer('/v1/query/directory', { room_id: theirs, servers: ['there.test'] })
    assert.deepEqual(await alice.get('getRoomIdByAlias', `/directory/room/${e(alias)}`), {
      room_id: theirs,
      servers: ['there.test'],
    })
    peer.answer('/v1/query/profile', { displayname: 'Remy' })
    assert.deepEqual(await alice.get('getUserProfile', '/profile/@remy:there.test'), { displayname: 'Remy' })
    assert.deepEqual(await alice.get('getProfileField', '/profile/@remy:there.test/displayname'), {
      displayname: 'Remy',
    })
    const summary = {
      room_id: theirs,
      name: 'Theirs',
      num_joined_members: 4,
      world_readable: false,
      guest_can_join: false,
      join_rule: 'public',
    }
    peer.answer('/v1/publicRooms', { chunk: [summary] })
    assert.equal((await alice.get('getPublicRooms', '/publicRooms?server=there.test')).chunk[0].name, 'Theirs')
    const found = await alice.do('queryPublicRooms', 'POST', '/publicRooms?server=there.test', { limit: 1 })
    assert.equal(found.chunk.length, 1)
    peer.answer(`/v1/hierarchy/${theirs}`, {
      room: { ...summary, children_state: [] },
      children: [],
      inaccessible_children: [],
    })
    const path = `/_matrix/client/v1/room_summary/${e(alias)}?via=there.test`
    assert.deepEqual(await alice.get('getRoomSummary', path), { ...summary, membership: 'leave' })
    const anonymous = await hearth.request('GET', `/_matrix/client/v1/room_summary/${e(theirs)}?via=there.test`)
    assert.deepEqual([anonymous.status, anonymous.body.errcode], [404, 'M_NOT_FOUND'])
  })

  it('walks through spaces', async () => {
    const space = await alice.createRoom({ name: 'Space', creation_content: { type: 'm.space' } })
    await alice.setState(space, 'm.space.child', { via: ['hearth.example'] }, roomId)
    await alice.setState(space, 'm.space.child', { via: ['there.test'] }, '!theirs:there.test')
    const { rooms } = await alice.get('getSpaceHierarchy', `/_matrix/client/v1/rooms/${e(space)}/hierarchy?limit=10`)
    assert.deepEqual(
      rooms.map(({ name }: { name: string }) => name),
      ['Space', 'Here', 'Theirs'],
    )
    const bad = await alice.request('GET', `/_matrix/client/v1/rooms/${e(space)}/hierarchy?limit=0`)
    assert.deepEqual([bad.status, bad.body.errcode], [400, 'M_INVALID_PARAM'])
  })

  it('is told when another server cannot be asked', async () => {
    const refused: readonly (readonly [string, number, string])[] = [
      ['/directory/room/%23x:nowhere.test', 502, 'M_UNKNOWN'],
      ['/profile/@x:nowhere.test', 502, 'M_UNKNOWN'],
      ['/publicRooms?server=nowhere.test', 502, 'M_UNKNOWN'],
    ]
    for (const [path, status, errcode] of refused) {
      const reply = await alice.request('GET', path)
      assert.deepEqual([reply.status, reply.body.errcode], [status, errcode], path)
    }
  })
})

describe('the list of rooms', () => {
  it('is shown to other servers only where the operator wants it', async () => {
    await using closed = await startHearth(
      { listeners: [{ host: '127.0.0.1', port: 0, resources: ['federation'] }] },
      { transport: networkOf(peer) },
    )
    const reply = await peer.request(closed, 'GET', `${F1}/publicRooms`)
    assert.deepEqual([reply.status, reply.body.errcode], [403, 'M_FORBIDDEN'])
  })
})
