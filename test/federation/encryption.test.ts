/** Devices, keys and messages to devices between Hearths. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeviceId, RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type Member, SmallFederation, type User } from '#test/federation/harness/small-federation.ts'
import { CryptoDevice } from '#test/harness/crypto-device.ts'

const HOUR_MS = 3_600_000

type Update = { readonly content: { readonly device_id: string } }

/** Two servers; Alice and Bob share a room, and Alice's device has keys. */
class Pair implements AsyncDisposable {
  readonly world: SmallFederation
  readonly here: Member
  readonly there: Member
  readonly alice: User
  readonly bob: User
  readonly roomId: RoomId

  private constructor(world: SmallFederation, here: Member, there: Member, alice: User, bob: User, roomId: RoomId) {
    this.world = world
    this.here = here
    this.there = there
    this.alice = alice
    this.bob = bob
    this.roomId = roomId
  }

  static async make(settings: object = {}): Promise<Pair> {
    const world = new SmallFederation()
    const [here, there] = [await world.server('here.test', settings), await world.server('there.test', settings)]
    const [alice, bob] = [await here.user('alice'), await there.user('bob')]
    await publish(alice)
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    assert.equal((await bob.join(roomId, here)).status, 200)
    await here.sees(roomId, bob.userId, 'join')
    return new Pair(world, here, there, alice, bob, roomId)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]()
  }

  /** Resolves when nothing is on its way between the servers. */
  async settled(): Promise<void> {
    for (const member of [this.here, this.there]) {
      await member.services.federation.encryption.idle()
      await member.services.federation.sender.idle()
    }
  }
}

async function publish(user: User, deviceId = 'DEVICE'): Promise<JsonObject> {
  const keys = new CryptoDevice({ userId: user.userId, deviceId }).deviceKeys()
  const reply = await user.post('/keys/upload', { device_keys: keys })
  assert.equal(reply.status, 200, JSON.stringify(reply))
  return keys
}

async function addDevice(user: User, deviceId: string, keys: JsonObject | null = null): Promise<void> {
  await user.server.store.write(async (tx) => {
    const nid = (await tx.users.nid(user.userId))!
    await tx.devices.create(nid, { deviceId: deviceId as DeviceId, displayName: null, createdTs: 1 })
    if (keys !== null) await tx.deviceKeys.put(nid, deviceId as DeviceId, keys)
  })
}
const deleteDevice = (user: User, deviceId: string) =>
  user.server.store.write(async (tx) => {
    await tx.devices.delete((await tx.users.nid(user.userId))!, [deviceId as DeviceId])
  })

/** The ids of the devices with keys that a client is told of, and the failures. */
async function query(asker: User, userId: UserId): Promise<{ devices: string[]; failures: string[] }> {
  const { body } = await asker.post('/keys/query', { device_keys: { [userId]: [] }, timeout: 5_000 })
  return { devices: Object.keys(body.device_keys[userId] ?? {}).sort(), failures: Object.keys(body.failures) }
}

/** What a user's server keeps of another user's list; null for nothing. */
async function kept(member: Member, userId: UserId): Promise<{ devices: string[]; isStale: boolean } | null> {
  const list = await member.store.read(async (tx) => {
    const nid = await tx.users.nid(userId)
    return nid === null ? undefined : (await tx.remoteDevices.lists([nid])).get(nid)
  })
  return list === undefined ? null : { devices: list.devices.map(({ deviceId }) => deviceId), isStale: list.isStale }
}

/** Resolves when it holds, looked at after each commit of a server. */
async function until(member: Member, holds: () => Promise<boolean>): Promise<void> {
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = member.store.onCommit(() => resolve())
    const isSo = await holds()
    if (!isSo) await promise
    end()
    if (isSo) return
  }
}

/** Resolves when the list has been fetched that a question or an update made the server fetch, and the client knows. */
async function fetched(member: Member, userId: UserId, client?: Client): Promise<void> {
  await member.services.federation.encryption.idle()
  assert.equal((await kept(member, userId))?.isStale, false)
  await client?.sync()
}

/** A client that syncs and folds what it is told. */
class Client {
  readonly user: User
  #since: string | null = null
  readonly changed = new Set<string>()
  readonly left = new Set<string>()
  readonly messages: JsonObject[] = []

  constructor(user: User) {
    this.user = user
  }

  async sync(): Promise<this> {
    const { body } = await this.user.get(this.#since === null ? '/sync' : `/sync?since=${this.#since}`)
    this.#since = body.next_batch
    for (const userId of body.device_lists.changed) this.changed.add(userId)
    for (const userId of body.device_lists.left) this.left.add(userId)
    this.messages.push(...body.to_device.events)
    return this
  }

  async hears(userId: UserId): Promise<void> {
    this.changed.clear()
    await until(this.user.server, async () => (await this.sync()).changed.has(userId))
  }
}

const asked = (pair: Pair, part: string) => pair.world.asked.filter(({ line }) => line.includes(part)).length

test('a list is asked for once, kept, and follows the updates', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there, world } = pair
  const client = await new Client(bob).sync()
  assert.deepEqual(await query(bob, alice.userId), { devices: ['DEVICE'], failures: [] })
  await pair.settled()
  await fetched(there, alice.userId, client)
  const before = asked(pair, '/user/keys/query')
  assert.deepEqual(await query(bob, alice.userId), { devices: ['DEVICE'], failures: [] })
  assert.equal(asked(pair, '/user/keys/query'), before)
  const questions = asked(pair, '/user/devices/')

  await addDevice(alice, 'SECOND')
  await client.hears(alice.userId)
  const keys = new CryptoDevice({ userId: alice.userId, deviceId: 'SECOND' }).deviceKeys()
  await alice.server.store.write(async (tx) => {
    const nid = (await tx.users.nid(alice.userId))!
    await tx.deviceKeys.put(nid, 'SECOND' as DeviceId, keys)
    await tx.devices.recordListChange(nid, 'SECOND' as DeviceId)
  })
  await client.hears(alice.userId)
  assert.deepEqual(await query(bob, alice.userId), { devices: ['DEVICE', 'SECOND'], failures: [] })
  await deleteDevice(alice, 'DEVICE')
  await client.hears(alice.userId)
  assert.deepEqual(await query(bob, alice.userId), { devices: ['SECOND'], failures: [] })
  // All of that came with the updates.
  assert.equal(asked(pair, '/user/keys/query'), before)
  assert.equal(asked(pair, '/user/devices/'), questions)
  assert.deepEqual(world.defects, [])
})

test('after an hour away, a server knows every list as it is', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there, here, world } = pair
  const client = await new Client(bob).sync()
  await query(bob, alice.userId)
  await fetched(there, alice.userId, client)
  there.hide()
  for (let i = 0; i < 5; i++) await addDevice(alice, `NEW${i}`)
  await deleteDevice(alice, 'DEVICE')
  await pair.settled()
  const behind = () => here.store.read((tx) => tx.outbound.eduCount(there.name))
  assert.ok((await behind()) >= 6)
  world.advance(HOUR_MS)
  there.show()
  here.services.federation.client.backOff.reset(there.name)
  await until(there, async () => (await kept(there, alice.userId))?.devices.join() === 'NEW0,NEW1,NEW2,NEW3,NEW4')
  await client.hears(alice.userId)
  assert.equal((await kept(there, alice.userId))?.isStale, false)
  assert.deepEqual(world.defects, [])
})

test('of what changed while a server was away, it is told the newest of each device', async () => {
  await using pair = await Pair.make({ federation: { device_names: true } })
  const { alice, bob, there, here, world } = pair
  const client = await new Client(bob).sync()
  await query(bob, alice.userId)
  await fetched(there, alice.userId, client)
  const told: JsonObject[] = []
  world.intercept = (_from, { destination, uri, body }) => {
    if (destination === there.name && uri.includes('/send/')) told.push(...(JSON.parse(body!).edus ?? []))
    return null
  }
  there.hide()
  for (let n = 0; n < 200; n++) {
    assert.equal((await alice.put('/devices/DEVICE', { display_name: `name ${n}` })).status, 200)
    if (n % 20 === 0) await pair.settled()
    const messages = { [bob.userId]: { DEVICE: { n } } }
    if (n % 50 === 0) assert.equal((await alice.put(`/sendToDevice/m.test/${n}`, { messages })).status, 200)
  }
  await addDevice(alice, 'SECOND')
  await pair.settled()
  assert.equal(await here.store.read((tx) => tx.outbound.eduCount(there.name)), 4 + 2)
  // What reached nobody doesn't count.
  told.length = 0
  world.advance(HOUR_MS)
  there.show()
  here.services.federation.client.backOff.reset(there.name)
  await until(there, async () => (await kept(there, alice.userId))?.devices.join() === 'DEVICE,SECOND')
  await fetched(there, alice.userId)
  const { body } = await bob.post('/keys/query', { device_keys: { [alice.userId]: [] } })
  assert.equal(body.device_keys[alice.userId].DEVICE.unsigned.device_display_name, 'name 199')
  await until(there, async () => (await client.sync()).messages.length === 4)
  assert.equal(told.length, 4 + 2)
  assert.deepEqual(
    client.messages.map((event) => event['content']),
    [0, 50, 100, 150].map((n) => ({ n })),
  )
  assert.deepEqual(world.defects, [])
})

test('what changed in one moment is told at once, without a gap', async () => {
  await using pair = await Pair.make({ federation: { device_names: true } })
  const { alice, bob, there, here, world } = pair
  await query(bob, alice.userId)
  await fetched(there, alice.userId)
  await pair.settled()
  const updates: string[] = []
  world.intercept = (_from, { uri, body }) => {
    if (uri.includes('/send/')) updates.push(...JSON.parse(body!).edus.map((edu: Update) => edu.content.device_id))
    return null
  }
  const questions = asked(pair, '/user/devices/')
  await here.store.write(async (tx) => {
    const nid = (await tx.users.nid(alice.userId))!
    await tx.devices.create(nid, { deviceId: 'SECOND' as DeviceId, displayName: null, createdTs: 1 })
    for (let n = 0; n < 20; n++) {
      await tx.devices.rename(nid, 'DEVICE' as DeviceId, `first ${n}`)
      await tx.devices.recordListChange(nid, null)
      await tx.devices.rename(nid, 'SECOND' as DeviceId, `second ${n}`)
    }
  })
  const names = async () => {
    const list = await there.store.read(async (tx) => {
      const nid = (await tx.users.nid(alice.userId))!
      return (await tx.remoteDevices.lists([nid])).get(nid)
    })
    return list?.devices.map(({ displayName }) => displayName).join()
  }
  await until(there, async () => (await names()) === 'first 19,second 19')
  assert.deepEqual(updates, ['DEVICE', 'SECOND'])
  assert.equal(asked(pair, '/user/devices/'), questions)
})

test('a lost update is noticed by the next one, and the list fetched as often as it takes', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there, here, world } = pair
  const client = await new Client(bob).sync()
  await query(bob, alice.userId)
  await fetched(there, alice.userId, client)
  await addDevice(alice, 'LOST')
  // What was to be sent gets lost, as with a server that is restored from a backup.
  await here.services.federation.encryption.idle()
  await client.hears(alice.userId)
  await here.store.write(async (tx) => {
    const nid = (await tx.users.nid(alice.userId))!
    await tx.devices.recordListChange(nid, 'LOST' as DeviceId)
  })
  await client.hears(alice.userId)

  // The list can't be fetched; meanwhile nothing old is served.
  let isAway = true
  world.intercept = (from, request) =>
    isAway && from === there.name && request.uri.includes('/user/')
      ? { outcome: 'answered', status: 500, retryAfterMs: null, body: Buffer.from('{}') }
      : null
  const nid = await there.store.read((tx) => tx.users.nid(alice.userId))
  const gap = { user_id: alice.userId, device_id: 'LATER', stream_id: 1_000_000, prev_id: [999_999] }
  await there.services.federation.encryption.receiveDeviceUpdate(here.name, gap)
  assert.equal((await kept(there, alice.userId))?.isStale, true)
  await there.services.federation.encryption.idle()
  assert.deepEqual(await query(bob, alice.userId), { devices: [], failures: [here.name] })
  // A restart goes on with it.
  await there.stop()
  isAway = false
  world.advance(2 * HOUR_MS)
  await there.start()
  await fetched(there, alice.userId, client)
  assert.deepEqual((await kept(there, alice.userId))?.devices, ['DEVICE', 'LOST'])
  // The other one has no keys.
  assert.deepEqual(await query(bob, alice.userId), { devices: ['DEVICE'], failures: [] })
  const changes = await there.store.read((tx) => tx.devices.listChanges(0, Number.MAX_SAFE_INTEGER))
  assert.ok(changes.some(({ userNid }) => userNid === nid))
})

test('many updates with gaps make one question', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there, here } = pair
  await query(bob, alice.userId)
  await fetched(there, alice.userId)
  const before = asked(pair, '/user/devices/')
  const { encryption } = there.services.federation
  const { promise, resolve } = Promise.withResolvers<void>()
  pair.world.intercept = async (_from, request) => {
    if (request.uri.includes('/user/devices/')) await promise
    return null
  }
  for (let i = 0; i < 20; i++) {
    const gap = { user_id: alice.userId, device_id: 'D', stream_id: 1_000_000 + 2 * i, prev_id: [999_999 + 2 * i] }
    await encryption.receiveDeviceUpdate(here.name, gap)
  }
  resolve()
  await fetched(there, alice.userId)
  // One for the first of them, and one for all that came while that was being answered.
  assert.ok(asked(pair, '/user/devices/') - before <= 2)
})

test('copies end with the last shared room, and who comes again is asked for again (S34)', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there, roomId } = pair
  const client = await new Client(bob).sync()
  await query(bob, alice.userId)
  await fetched(there, alice.userId, client)
  await alice.room(roomId, 'leave')
  await there.sees(roomId, alice.userId, 'leave')
  assert.equal(await kept(there, alice.userId), null)
  assert.ok((await client.sync()).left.has(alice.userId))
  await deleteDevice(alice, 'DEVICE')
  await addDevice(alice, 'SECRET')
  await pair.settled()
  // Nobody of that server is told any more; whoever asks is answered by the user's own server.
  const before = asked(pair, '/user/keys/query')
  assert.deepEqual(await query(bob, alice.userId), { devices: [], failures: [] })
  assert.equal(asked(pair, '/user/keys/query'), before + 1)
  assert.equal(await kept(there, alice.userId), null)
  client.changed.clear()
  assert.equal((await alice.join(roomId, there)).status, 200)
  await there.sees(roomId, alice.userId, 'join')
  await client.hears(alice.userId)
})

test('another user of the server, who shares no room, is not told what is kept (S34)', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there } = pair
  await query(bob, alice.userId)
  await fetched(there, alice.userId)
  const carol = await there.user('carol')
  const before = asked(pair, '/user/keys/query')
  assert.deepEqual(await query(carol, alice.userId), { devices: ['DEVICE'], failures: [] })
  assert.equal(asked(pair, '/user/keys/query'), before + 1)
})

test('cross-signing keys come with their updates, in both spellings', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there, here, world } = pair
  const client = await new Client(bob).sync()
  await query(bob, alice.userId)
  await fetched(there, alice.userId, client)
  const sent: string[] = []
  world.intercept = (_from, { uri, body }) => {
    if (uri.includes('/send/')) sent.push(...JSON.parse(body!).edus.map((edu: { edu_type: string }) => edu.edu_type))
    return null
  }
  const master = { user_id: alice.userId, usage: ['master'], keys: { 'ed25519:key': 'key' } }
  await here.store.write(async (tx) => {
    const userNid = (await tx.users.nid(alice.userId))!
    await tx.crossSigningKeys.put({ userNid, usage: 'master', publicKey: 'key', key: master })
    await tx.devices.recordListChange(userNid, null)
  })
  await client.hears(alice.userId)
  const before = asked(pair, '/user/')
  const { body } = await bob.post('/keys/query', { device_keys: { [alice.userId]: [] } })
  assert.deepEqual(body.master_keys[alice.userId], master)
  assert.equal(asked(pair, '/user/'), before)
  await pair.settled()
  assert.deepEqual(new Set(sent), new Set(['m.signing_key_update', 'org.matrix.signing_key_update']))
})

test('whoever meets a server for the first time introduces themselves there', async () => {
  await using pair = await Pair.make()
  const { alice, world, here } = pair
  const third = await world.server('third.test')
  const carol = await third.user('carol')
  const edus: { edu_type: string; content: { user_id: string } }[] = []
  world.intercept = (_from, { destination, uri, body }) => {
    if (destination === third.name && uri.includes('/send/')) edus.push(...(JSON.parse(body!).edus ?? []))
    return null
  }
  assert.equal((await carol.join(pair.roomId, here)).status, 200)
  await here.sees(pair.roomId, carol.userId, 'join')
  const client = await new Client(carol).sync()
  assert.deepEqual((await query(carol, alice.userId)).devices, ['DEVICE'])
  await fetched(third, alice.userId, client)
  await addDevice(alice, 'SECOND')
  await client.hears(alice.userId)
  const told = edus.filter((edu) => edu.edu_type === 'm.device_list_update')
  assert.ok(told.length >= 2)
  assert.ok(told.every((edu) => edu.content.user_id === alice.userId))
})

test('one-time keys of other servers are claimed once each, and of nobody else', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there, here } = pair
  const crypto = new CryptoDevice({ userId: alice.userId, deviceId: 'DEVICE' })
  assert.equal((await alice.post('/keys/upload', { one_time_keys: crypto.oneTimeKeys(3) })).status, 200)
  const claim = async () => {
    const { body } = await bob.post('/keys/claim', {
      one_time_keys: { [alice.userId]: { DEVICE: 'signed_curve25519', NONE: 'signed_curve25519' } },
    })
    return { keys: Object.keys(body.one_time_keys[alice.userId]?.['DEVICE'] ?? {}), failures: body.failures }
  }
  const claimed = await Promise.all([claim(), claim(), claim(), claim()])
  assert.equal(new Set(claimed.flatMap(({ keys }) => keys)).size, 3)
  assert.equal(claimed.flatMap(({ keys }) => keys).length, 3)
  here.hide()
  assert.equal((await claim()).failures[here.name].errcode, 'M_CONNECTION_FAILED')
  here.show()
  // Another server's user is none of its business.
  const ask = (uri: string, body: JsonObject) =>
    there.services.federation.client.request({
      destination: here.name,
      method: 'POST',
      uri,
      body,
      evenWhilePaused: true,
    })
  const claims = await ask('/_matrix/federation/v1/user/keys/claim', {
    one_time_keys: { [bob.userId]: { DEVICE: 'signed_curve25519' } },
  })
  assert.deepEqual(claims.outcome === 'answered' && claims.json, { one_time_keys: {} })
  const queried = await ask('/_matrix/federation/v1/user/keys/query', { device_keys: { [bob.userId]: [] } })
  assert.deepEqual(queried.outcome === 'answered' && queried.json, {
    device_keys: {},
    master_keys: {},
    self_signing_keys: {},
  })
})

test('messages to devices arrive in order and once, however long the server was away', async () => {
  await using pair = await Pair.make()
  const { alice, bob, there, here, world } = pair
  const client = await new Client(bob).sync()
  there.hide()
  const count = 250
  for (let n = 0; n < count; n++) {
    const messages = { [bob.userId]: { DEVICE: { n } } }
    assert.equal((await alice.put(`/sendToDevice/m.test/${n}`, { messages })).status, 200)
  }
  // The sender is restarted meanwhile.
  await here.stop()
  await here.start()
  world.advance(HOUR_MS)
  // Each answer gets lost once: what came is sent again.
  const { backOff } = here.services.federation.client
  const lost = new Set<string>()
  world.intercept = async (from, request) => {
    if (from !== here.name || !request.uri.includes('/send/') || lost.has(request.uri)) return null
    lost.add(request.uri)
    await world.network.transportOf(here.name).exchange(request)
    setImmediate(() => backOff.reset(there.name))
    return { outcome: 'timed out' }
  }
  there.show()
  backOff.reset(there.name)
  await until(there, async () => (await client.sync()).messages.length >= count)
  assert.deepEqual(
    client.messages.map((event) => (event['content'] as { n: number }).n),
    Array.from({ length: count }, (_, n) => n),
  )
  assert.ok(lost.size >= count / 100)
  assert.deepEqual(world.defects, [])
})
