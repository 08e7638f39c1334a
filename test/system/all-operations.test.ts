/** Each routed operation of the specification succeeds at least once with an answer that fits its schema. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CrossSigningKeys, CryptoDevice } from '#test/harness/crypto-device.ts'
import { readEndpoints } from '#test/harness/operations.ts'
import { Api, room, V3 } from '#test/system/harness/api.ts'
import { Hearth, SERVER_NAME } from '#test/system/harness/hearth.ts'
import { Recorder } from '#test/system/harness/recorder.ts'
import { hasSpec } from '#test/system/harness/spec-schemas.ts'

const e = encodeURIComponent
const V1 = '/_matrix/client/v1'

describe('every operation', { skip: hasSpec ? false : "NOT checked: the specification's data isn't at hand" }, () => {
  let hearth: Hearth
  let recorder: Recorder
  let alice: Api
  let bob: Api
  let roomId: string
  before(async () => {
    hearth = await Hearth.start()
    recorder = await Recorder.start(hearth.url)
    const anyone = new Api(recorder.url)
    alice = await anyone.register('alice')
    bob = await anyone.register('bob')
    roomId = await alice.createRoom({ preset: 'public_chat', name: 'Everything', visibility: 'public' })
    await bob.join(roomId)
  })
  after(async () => {
    await recorder[Symbol.asyncDispose]()
    await hearth[Symbol.asyncDispose]()
  })
  const mine = (rest: string) => `${V3}/user/${e(alice.userId)}/${rest}`

  it('discovery and sessions', async () => {
    const anyone = new Api(recorder.url)
    await anyone.get('/_matrix/client/versions')
    await anyone.get('/.well-known/matrix/client')
    await anyone.get(`${V3}/login`)
    await anyone.get(`${V3}/register/available`, { username: 'nobody' })
    await alice.get(`${V3}/capabilities`)
    await alice.get(`${V3}/account/whoami`)
    const login = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'alice' },
      password: 'sesame',
      refresh_token: true,
      initial_device_display_name: 'second',
    }
    const second = await anyone.post(`${V3}/login`, login)
    const refreshed = await anyone.post(`${V3}/refresh`, { refresh_token: second.refresh_token })
    assert.notEqual(refreshed.access_token, second.access_token)
    await (await anyone.login('bob')).post(`${V3}/logout`)

    const { devices } = await alice.get(`${V3}/devices`)
    assert.equal(devices.length, 2)
    await alice.get(`${V3}/devices/${e(second.device_id)}`)
    await alice.put(`${V3}/devices/${e(second.device_id)}`, { display_name: 'renamed' })
    await withPassword(alice, 'DELETE', `${V3}/devices/${e(second.device_id)}`, {})
    const third = await anyone.login('alice')
    await withPassword(alice, 'POST', `${V3}/delete_devices`, { devices: [third.deviceId] })
  })

  it('accounts', async () => {
    const carol = await new Api(recorder.url).register('carol')
    await withPassword(carol, 'POST', `${V3}/account/password`, { new_password: 'open', logout_devices: false })
    const again = await new Api(recorder.url).login('carol', 'open')
    await again.post(`${V3}/logout/all`)
    const leaving = await new Api(recorder.url).login('carol', 'open')
    const gone = await withPassword(leaving, 'POST', `${V3}/account/deactivate`, {}, 'open')
    assert.equal(gone.id_server_unbind_result, 'success')
    const guest = await recorderGuest(recorder.url)
    await guest.get(`${V3}/account/whoami`)
  })

  it('profiles', async () => {
    const path = `${V3}/profile/${e(alice.userId)}`
    await alice.put(`${path}/displayname`, { displayname: 'Alice' })
    await alice.put(`${path}/m.tz`, { 'm.tz': 'Europe/Berlin' })
    assert.deepEqual(await bob.get(`${path}/displayname`), { displayname: 'Alice' })
    assert.deepEqual(await bob.get(path), { displayname: 'Alice', 'm.tz': 'Europe/Berlin' })
    await alice.delete(`${path}/m.tz`)
  })

  it('presence and OpenID', async () => {
    const path = (api: Api) => `${V3}/presence/${e(api.userId)}/status`
    await alice.put(path(alice), { presence: 'unavailable', status_msg: 'at lunch' })
    assert.equal((await bob.get(path(alice))).status_msg, 'at lunch')
    await alice.post(mine('openid/request_token'))
  })

  it('account data, tags, filters', async () => {
    await alice.put(mine('account_data/test.data'), { a: 1 })
    assert.deepEqual(await alice.get(mine('account_data/test.data')), { a: 1 })
    await alice.put(mine(`rooms/${e(roomId)}/account_data/test.data`), { b: 1 })
    assert.deepEqual(await alice.get(mine(`rooms/${e(roomId)}/account_data/test.data`)), { b: 1 })
    await alice.put(mine(`rooms/${e(roomId)}/tags/u.work`), { order: 0.5 })
    assert.deepEqual(await alice.get(mine(`rooms/${e(roomId)}/tags`)), { tags: { 'u.work': { order: 0.5 } } })
    await alice.delete(mine(`rooms/${e(roomId)}/tags/u.work`))
    const filter = { room: { timeline: { limit: 3 } } }
    const { filter_id: filterId } = await alice.post(mine('filter'), filter)
    assert.deepEqual(await alice.get(mine(`filter/${e(filterId)}`)), filter)
    const sync = await alice.sync({ filter: filterId })
    await alice.sync({ filter: filterId, since: sync.next_batch, full_state: true, use_state_after: true })
  })

  it('push rules', async () => {
    const rule = `${V3}/pushrules/global/content/soup`
    await alice.put(rule, { pattern: 'soup', actions: ['notify'] })
    await alice.put(`${rule}/enabled`, { enabled: false })
    assert.deepEqual(await alice.get(`${rule}/enabled`), { enabled: false })
    await alice.put(`${rule}/actions`, { actions: ['notify', { set_tweak: 'sound', value: 'default' }] })
    await alice.get(`${rule}/actions`)
    await alice.get(rule)
    await alice.get(`${V3}/pushrules/`)
    await alice.get(`${V3}/pushrules/global/`)
    await alice.delete(rule)
  })

  it('membership', async () => {
    const closed = await alice.createRoom({
      initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }],
    })
    await bob.post(`${V3}/knock/${e(closed)}`, { reason: 'please' })
    assert.equal(Object.keys((await bob.sync()).rooms.knock).length, 1)
    await alice.invite(closed, bob.userId)
    assert.equal(Object.keys((await bob.sync()).rooms.invite).length, 1)
    await bob.post(room(closed, 'join'))
    await alice.post(room(closed, 'kick'), { user_id: bob.userId, reason: 'out' })
    await alice.post(room(closed, 'ban'), { user_id: bob.userId })
    await alice.post(room(closed, 'unban'), { user_id: bob.userId })
    await bob.post(room(closed, 'forget'))
    assert.deepEqual((await bob.get(`${V3}/joined_rooms`)).joined_rooms, [roomId])
    const dave = await new Api(recorder.url).register('dave')
    await dave.join(roomId)
    await dave.leave(roomId)
    const filter = JSON.stringify({ room: { include_leave: true } })
    assert.equal(Object.keys((await dave.sync({ filter })).rooms.leave).length, 1)
  })

  it('events and state', async () => {
    const first = await alice.send(roomId, 'first')
    await bob.put(room(roomId, 'typing', bob.userId), { typing: true, timeout: 10_000 })
    await alice.state(roomId, 'm.room.topic', { topic: 'all of it' })
    await alice.state(roomId, 'test.keyed', { x: 1 }, 'key')
    await alice.get(room(roomId, 'state', 'test.keyed', 'key'))
    await alice.get(room(roomId, 'state', 'm.room.topic', ''), { format: 'event' })
    await alice.get(room(roomId, 'state'))
    await alice.get(room(roomId, 'members'))
    await alice.get(room(roomId, 'joined_members'))
    await alice.get(room(roomId, 'event', first))
    await alice.get(room(roomId, 'context', first), { limit: 4 })
    await alice.get(room(roomId, 'messages'), { dir: 'b', limit: 5 })
    await alice.get(`${V1}/rooms/${e(roomId)}/timestamp_to_event`, { ts: 0, dir: 'f' })
    await bob.post(room(roomId, 'receipt', 'm.read', first), {})
    await bob.post(room(roomId, 'read_markers'), { 'm.fully_read': first })
    await alice.redact(roomId, first)
    await bob.sync()
  })

  it('aliases and the list of rooms', async () => {
    const alias = `#everything:${SERVER_NAME}`
    await alice.put(`${V3}/directory/room/${e(alias)}`, { room_id: roomId })
    assert.equal((await bob.get(`${V3}/directory/room/${e(alias)}`)).room_id, roomId)
    assert.deepEqual(await alice.get(room(roomId, 'aliases')), { aliases: [alias] })
    await alice.put(`${V3}/directory/list/room/${e(roomId)}`, { visibility: 'public' })
    await alice.get(`${V3}/directory/list/room/${e(roomId)}`)
    assert.equal((await alice.get(`${V3}/publicRooms`)).chunk.length, 1)
    const search = { filter: { generic_search_term: 'every' }, limit: 10 }
    assert.equal((await alice.post(`${V3}/publicRooms`, search)).chunk.length, 1)
    await alice.delete(`${V3}/directory/room/${e(alias)}`)
  })

  it('spaces and summaries', async () => {
    const space = await alice.createRoom({ preset: 'public_chat', creation_content: { type: 'm.space' } })
    await alice.state(space, 'm.space.child', { via: [SERVER_NAME] }, roomId)
    const { rooms } = await bob.get(`${V1}/rooms/${e(space)}/hierarchy`)
    assert.deepEqual(
      rooms.map(({ room_id }: { room_id: string }) => room_id),
      [space, roomId],
    )
    assert.equal((await bob.get(`${V1}/room_summary/${e(roomId)}`)).name, 'Everything')
  })

  it('keys of devices and users, and what they send each other', async () => {
    const { next_batch: from } = await bob.sync()
    const device = new CryptoDevice(alice)
    const keys = new CrossSigningKeys(alice.userId)
    await alice.post(`${V3}/keys/upload`, {
      device_keys: device.deviceKeys(),
      one_time_keys: device.oneTimeKeys(2),
      fallback_keys: device.fallbackKey(),
    })
    await alice.post(`${V3}/keys/device_signing/upload`, keys.upload())
    const { userId, deviceId } = alice
    const signed = keys.selfSigning.sign(device.unsignedKeys())
    const { failures } = await alice.post(`${V3}/keys/signatures/upload`, { [userId]: { [deviceId]: signed } })
    assert.deepEqual(failures, {})
    const found = await bob.post(`${V3}/keys/query`, { device_keys: { [userId]: [] } })
    assert.equal(Object.keys(found.device_keys[userId][deviceId].signatures[userId]).length, 2)
    const wanted = { one_time_keys: { [userId]: { [deviceId]: 'signed_curve25519' } } }
    assert.equal(Object.keys((await bob.post(`${V3}/keys/claim`, wanted)).one_time_keys[userId][deviceId]).length, 1)
    const messages = { [userId]: { '*': { body: 'ciphertext' } } }
    await bob.put(`${V3}/sendToDevice/m.room.encrypted/1`, { messages })
    assert.equal((await alice.sync()).to_device.events.length, 1)
    const { next_batch: to } = await bob.sync()
    assert.deepEqual((await bob.get(`${V3}/keys/changes`, { from, to })).changed, [userId])
  })

  it('backups of keys', async () => {
    const backups = `${V3}/room_keys/version`
    const backup = { algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2', auth_data: { public_key: 'abc' } }
    const { version } = await alice.post(backups, backup)
    await alice.get(backups)
    await alice.get(`${backups}/${version}`)
    await alice.put(`${backups}/${version}`, { ...backup, version })
    const key = { first_message_index: 0, forwarded_count: 0, is_verified: true, session_data: { ciphertext: 'x' } }
    const sessions = { session: key }
    const all: [path: string, body: object][] = [
      ['', { rooms: { [roomId]: { sessions } } }],
      [`/${e(roomId)}`, { sessions }],
      [`/${e(roomId)}/session`, key],
    ]
    for (const [path, body] of all) {
      const at = `${V3}/room_keys/keys${path}`
      assert.equal((await alice.ok('PUT', at, { query: { version }, body })).count, 1)
      assert.deepEqual(await alice.get(at, { version }), body)
      assert.equal((await alice.ok('DELETE', at, { query: { version } })).count, 0)
    }
    await alice.delete(`${backups}/${version}`)
  })

  it('what clients did before /sync', async () => {
    const { end } = await alice.get(`${V3}/initialSync`, { limit: 3 })
    const eventId = await bob.send(roomId, 'to the stream')
    const stream = await alice.get(`${V3}/events`, { from: end, timeout: 5_000 })
    assert.ok(stream.chunk.length > 0)
    await alice.get(`${V3}/events`, { from: end, room_id: roomId, timeout: 0 })
    await alice.get(`${V3}/events/${e(eventId)}`)
    await alice.get(room(roomId, 'initialSync'), { limit: 3 })
  })

  it('what there is nothing to tell about yet', async () => {
    await alice.get(`${V3}/voip/turnServer`)
    await alice.get(`${V3}/thirdparty/protocols`)
    await alice.get(`${V1}/media/config`)
    await alice.get('/_matrix/media/v3/config')
  })

  it('upgrades', async () => {
    const old = await alice.createRoom({ room_version: '11' })
    const { replacement_room: replacement } = await alice.post(room(old, 'upgrade'), { new_version: '12' })
    assert.equal((await alice.get(room(replacement, 'state', 'm.room.create', ''))).predecessor.room_id, old)
  })

  it('all of them were seen to succeed, and nothing misfitted', async () => {
    const ofClients = (await readEndpoints()).filter(({ file }) => file.startsWith('client/'))
    const routed = ofClients.map(({ endpoint }) => endpoint.spec).filter((spec) => spec !== null)
    const unseen = routed.filter((spec) => !recorder.fitting.has(spec))
    assert.deepEqual([...new Set(unseen)], [], 'operations without a success that fits')
    assert.deepEqual(recorder.violations, [])
    assert.doesNotMatch(hearth.output, /"level":(?:50|60)/, hearth.output)
  })
})

/** Asks, is told the flows, and asks again with the password. */
async function withPassword(api: Api, method: string, path: string, body: object, password = 'sesame') {
  const first = await api.request(method, path, { body })
  assert.equal(first.status, 401, JSON.stringify(first.body))
  const identifier = { type: 'm.id.user', user: api.userId }
  const auth = { type: 'm.login.password', identifier, password, session: first.body.session }
  return api.ok(method, path, { body: { ...body, auth } })
}

async function recorderGuest(url: string): Promise<Api> {
  return new Api(url, await new Api(url).ok('POST', `${V3}/register`, { query: { kind: 'guest' }, body: {} }))
}
