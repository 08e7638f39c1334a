/** What this server asks others for its users: aliases, profiles, lists of rooms. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { RoomAlias, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { RemoteAliases } from '#services/federation/lookups/remote-aliases.ts'
import { RemoteDirectories } from '#services/federation/lookups/remote-directories.ts'
import { RemoteProfiles } from '#services/federation/lookups/remote-profiles.ts'
import { UserReads } from '#services/federation/reads/user-reads.ts'
import type { FederationReply, FederationRequest } from '#services/federation/transport/federation-client.ts'
import { Profiles } from '#services/profiles/profiles.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let reads: UserReads
let aliases: RemoteAliases
let profiles: RemoteProfiles
let directories: RemoteDirectories
let answer: (request: FederationRequest) => FederationReply
const asked: FederationRequest[] = []
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  const client = {
    async request(request: FederationRequest): Promise<FederationReply> {
      asked.push(request)
      return answer(request)
    },
  }
  const serverName = SERVER as ServerName
  const local = new Profiles(fixture)
  reads = new UserReads({ store: fixture.store, serverName, profiles: local, tellsDeviceNames: false })
  aliases = new RemoteAliases({ client, serverName, userReads: reads })
  profiles = new RemoteProfiles({ client, serverName, profiles: local, clock: () => fixture.clock.now })
  directories = new RemoteDirectories({ client })
})
beforeEach(() => asked.splice(0))
after(() => fixture[Symbol.asyncDispose]())

const yes = (json: JsonValue): FederationReply => ({ outcome: 'answered', status: 200, json, bytes: new Uint8Array() })
const no = (status: number, errcode: string): FederationReply => {
  return { outcome: 'refused', status, errcode, error: null, json: null }
}
const FAR = 'far.test' as ServerName

describe('an alias', () => {
  const alias = '#room & more:far.test' as RoomAlias

  it('of another server is asked for there', async () => {
    answer = () => yes({ room_id: '!r:far.test', servers: ['a.test', 7, 'not a name', 'far.test'] })
    const target = { room_id: '!r:far.test', servers: ['a.test', 'far.test'] }
    assert.deepEqual(await aliases.resolve(alias), target)
    const path = '/_matrix/federation/v1/query/directory?room_alias=%23room%20%26%20more%3Afar.test'
    assert.deepEqual([asked[0]?.destination, asked[0]?.method, asked[0]?.uri], [FAR, 'GET', path])
  })

  it('fails as it fails there', async () => {
    answer = () => no(404, 'M_NOT_FOUND')
    await assert.rejects(aliases.resolve(alias), { errcode: 'M_NOT_FOUND' })
    answer = () => ({ outcome: 'unreachable', reason: 'no address' })
    await assert.rejects(aliases.resolve(alias), { errcode: 'M_UNKNOWN', status: 502 })
    for (const json of [null, [], {}, { room_id: 5, servers: [] }, { room_id: 'r', servers: [] }]) {
      answer = () => yes(json)
      await assert.rejects(aliases.resolve(alias), { errcode: 'M_UNKNOWN', status: 502 })
    }
  })

  it('of this server names the servers in the room', async () => {
    const roomId = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat', room_alias_name: 'here' })
    for (const name of ['@a:big.test', '@b:big.test', '@c:small.test', '@d:denied.test']) {
      await fixture.rooms.memberships.join({ userId: name as UserId, isGuest: false }, roomId)
    }
    await fixture.setState(alice, roomId, 'm.room.server_acl', { allow: ['*'], deny: ['denied.test'] })
    const target = await aliases.resolve(`#here:${SERVER}` as RoomAlias)
    assert.deepEqual(target, { room_id: roomId, servers: [SERVER, 'big.test', 'small.test'] })
    await assert.rejects(reads.directory('#none:here.test' as RoomAlias), { errcode: 'M_NOT_FOUND' })
    await assert.rejects(reads.directory(alias), { errcode: 'M_NOT_FOUND' })
    assert.deepEqual(asked, [])
  })
})

describe('a profile', () => {
  it('of another server is asked for there, and held for a while', async () => {
    const user = '@bob:far.test' as UserId
    answer = () => yes({ displayname: 'Bob', avatar_url: 5, 'm.tz': 'Europe/Rome', gone: null, 'a.b': [1] })
    const profile = { displayname: 'Bob', 'm.tz': 'Europe/Rome', 'a.b': [1] }
    assert.deepEqual(await profiles.get(user), profile)
    assert.equal(await profiles.getField(user, 'displayname'), 'Bob')
    await assert.rejects(profiles.getField(user, 'avatar_url'), { errcode: 'M_NOT_FOUND' })
    await assert.rejects(profiles.getField(user, 'no name'), { errcode: 'M_INVALID_PARAM' })
    assert.deepEqual(
      asked.map(({ uri }) => uri),
      ['/_matrix/federation/v1/query/profile?user_id=%40bob%3Afar.test'],
    )
    fixture.clock.now += 3_600_000
    answer = () => yes({ displayname: 'Robert' })
    assert.deepEqual(await profiles.get(user), { displayname: 'Robert' })
  })

  it('that is refused is not asked for again at once', async () => {
    const user = '@nobody:far.test' as UserId
    answer = () => no(404, 'M_NOT_FOUND')
    for (let times = 0; times < 3; times += 1) await assert.rejects(profiles.get(user), { errcode: 'M_NOT_FOUND' })
    assert.equal(asked.length, 1)
    answer = () => no(403, 'M_FORBIDDEN')
    await assert.rejects(profiles.get('@hidden:far.test' as UserId), { errcode: 'M_FORBIDDEN' })
  })

  it('of this server goes to others, whole or one field of it', async () => {
    await fixture.store.write((tx) => tx.profiles.set(alice.userNid, 'displayname', 'Alice'))
    assert.deepEqual(await reads.profile(alice.userId, null), { displayname: 'Alice' })
    assert.deepEqual(await reads.profile(alice.userId, 'displayname'), { displayname: 'Alice' })
    await assert.rejects(reads.profile(alice.userId, 'avatar_url'), { errcode: 'M_NOT_FOUND' })
    await assert.rejects(reads.profile('@bob:far.test' as UserId, null), { errcode: 'M_NOT_FOUND' })
  })
})

describe('another list of rooms', () => {
  it('is asked for by GET, or by POST where it is searched', async () => {
    answer = () => yes({ chunk: [], total_room_count_estimate: 0 })
    await directories.list(FAR, {})
    await directories.list(FAR, { limit: 9_999, since: 'a b' })
    const search = { filter: { generic_search_term: 'x' } }
    await directories.list(FAR, { limit: 3, search })
    const sent = asked.map(({ method, uri, body }) => [method, uri.replace('/_matrix/federation/v1', ''), body])
    assert.deepEqual(sent, [
      ['GET', '/publicRooms', undefined],
      ['GET', '/publicRooms?limit=500&since=a+b', undefined],
      ['POST', '/publicRooms', { limit: 3, ...search }],
    ])
  })

  it('is passed on as far as it is one', async () => {
    const room: JsonObject = { room_id: '!a:far.test', num_joined_members: 3, world_readable: true, name: 'A' }
    answer = () =>
      yes({ chunk: [{ ...room, topic: 5, x: 1 }, { room_id: 5 }, 'x'], next_batch: 'n', prev_batch: 3, other: true })
    assert.deepEqual(await directories.list(FAR, {}), {
      chunk: [{ ...room, guest_can_join: false }],
      next_batch: 'n',
    })
    answer = () => yes({ chunk: 'x' })
    await assert.rejects(directories.list(FAR, {}), { status: 502 })
    answer = () => no(403, 'M_FORBIDDEN')
    await assert.rejects(directories.list(FAR, {}), { errcode: 'M_FORBIDDEN' })
  })
})

describe('S34: devices', () => {
  it('are told of local users alone', async () => {
    const device = { deviceId: 'D1' as never, displayName: 'Phone', createdTs: 1 }
    await fixture.store.write((tx) => tx.devices.create(alice.userNid, device))
    const { devices, user_id } = await reads.devices(alice.userId)
    assert.equal(user_id, alice.userId)
    assert.deepEqual(
      devices.map(({ device_id, device_display_name }) => [device_id, device_display_name]),
      [['D1', undefined]],
    )
    const others = ['@nobody:here.test', '@bob:far.test'] as UserId[]
    for (const user of others) await assert.rejects(reads.devices(user), { errcode: 'M_NOT_FOUND' })
    const wanted = new Map([alice.userId, ...others].map((userId) => [userId, []]))
    assert.deepEqual((await reads.deviceKeys(wanted)).device_keys, { [alice.userId]: {} })
  })
})
