/** How much each user stores is counted by triggers, and limited where it grows. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import type { DeviceId, EventId, RoomAlias, RoomId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { StorageFullError } from '#store/errors.ts'
import { COUNTED_TABLES } from '#store/migrations/0001/storage-use.ts'
import type { Store, Tx } from '#store/store.ts'
import type { BackedUpKey } from '#store/types/key-backups.ts'
import type { StorageKind } from '#store/types/storage-use.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase, type Open } from '#test/store/harness.ts'

const [PHONE, LAPTOP] = ['PHONE', 'LAPTOP'] as [DeviceId, DeviceId]
const ROOM = '!room:hearth.example' as RoomId
const OTHER = 'other.example' as ServerName

const newUser = (store: Store, name = 'alice') =>
  store.write((tx) => tx.users.intern(`@${name}:hearth.example` as UserId))
const used = (store: Store, user: UserNid, kind: StorageKind) => store.read((tx) => tx.storageUse.used(user, kind))
const device = (deviceId: DeviceId) => ({ deviceId, displayName: null, createdTs: 1 })
const oneTimeKey = (keyId: string) => ({ algorithm: 'a', keyId, digest: 'd', key: { key: 'k'.repeat(50) } })
const backedUp = (sessionId: string, sessionData: JsonObject = {}): BackedUpKey => {
  return { roomId: ROOM, sessionId, firstMessageIndex: 0, isVerified: false, forwardedCount: 0, sessionData }
}
const signature = (user: UserNid, signed: string) => {
  return { target: user, targetKeyId: PHONE, signer: user, signerKeyId: 'ed25519:K', signature: signed }
}

/** The rows of a statement, past the store. */
async function look(open: Open, text: string): Promise<Record<string, unknown>[]> {
  const { database, dataDir } = open.options
  if (database === 'sqlite') return new DatabaseSync(join(dataDir, 'hearth.db')).prepare(text).all()
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  const { rows } = await client.query(text)
  await client.end()
  return rows
}

/** What each user stores of each kind, counted anew from the tables. */
async function recounted(open: Open): Promise<Map<string, number>> {
  const sums = new Map<string, number>()
  for (const { table, kind, user, bytesOf } of COUNTED_TABLES) {
    for (const row of await look(open, `SELECT * FROM ${table} WHERE ${user} IS NOT NULL`)) {
      const bytes = bytesOf?.map((column) => Buffer.byteLength(String(row[column] ?? '')))
      const weight = bytes === undefined ? 1 : bytes.reduce((sum, some) => sum + some, 100)
      const key = `${row[user]} ${kind}`
      sums.set(key, (sums.get(key) ?? 0) + weight)
    }
  }
  return sums
}

async function counted(open: Open): Promise<Map<string, number>> {
  const rows = await look(open, 'SELECT user_nid, kind, amount FROM storage_use WHERE amount <> 0')
  return new Map(rows.map((row) => [`${row['user_nid']} ${row['kind']}`, Number(row['amount'])]))
}

/** Every way in which what a user stores grows, changes and goes. */
const changes = (alice: UserNid): readonly ((tx: Tx) => Promise<unknown>)[] => [
  (tx) => tx.devices.create(alice, device(PHONE)),
  (tx) => tx.devices.create(alice, device(LAPTOP)),
  (tx) => tx.devices.create(alice, device(PHONE)),
  (tx) => tx.devices.rename(alice, PHONE, 'new'),
  (tx) => tx.accountData.put(alice, null, 'a', { text: 'é'.repeat(10) }),
  (tx) => tx.accountData.put(alice, ROOM, 'm.tag', {}),
  (tx) => tx.accountData.put(alice, null, 'a', { short: 1 }),
  (tx) => tx.filters.put(alice, 'h', { room: {} }),
  (tx) => tx.filters.put(alice, 'h', { room: {} }),
  (tx) => tx.profiles.set(alice, 'displayname', 'Alice'),
  (tx) => tx.profiles.set(alice, 'displayname', undefined),
  (tx) => tx.deviceKeys.put(alice, PHONE, { keys: 'k' }),
  (tx) => tx.deviceKeys.put(alice, PHONE, { keys: 'longer' }),
  (tx) => tx.deviceKeys.put(alice, LAPTOP, { keys: 'k' }),
  (tx) => tx.oneTimeKeys.add(alice, PHONE, [oneTimeKey('1'), oneTimeKey('2')]),
  (tx) => tx.oneTimeKeys.add(alice, LAPTOP, [oneTimeKey('1')]),
  (tx) => tx.oneTimeKeys.claim(alice, PHONE, 'a'),
  (tx) => tx.oneTimeKeys.putFallback(alice, PHONE, oneTimeKey('f')),
  (tx) => tx.oneTimeKeys.putFallback(alice, PHONE, oneTimeKey('fallback')),
  (tx) => tx.crossSigningKeys.put({ userNid: alice, usage: 'master', publicKey: 'p', key: { k: 1 } }),
  (tx) => tx.crossSigningKeys.put({ userNid: alice, usage: 'user_signing', publicKey: 'p', key: { k: 1 } }),
  (tx) => tx.crossSigningKeys.delete(alice, ['user_signing']),
  (tx) => tx.keySignatures.put([signature(alice, 's'), signature(alice, 'another')]),
  (tx) => tx.dehydratedDevices.put(alice, { deviceId: LAPTOP, data: { d: 1 } }),
  (tx) => tx.keyBackups.create(alice, { algorithm: 'a', authData: { a: 1 } }),
  (tx) => tx.keyBackups.setAuthData(alice, 1, { a: 'longer' }),
  (tx) => tx.keyBackups.putKeys(alice, 1, [backedUp('1'), backedUp('2'), backedUp('3')], 3),
  (tx) => tx.keyBackups.putKeys(alice, 1, [backedUp('1', { longer: true }), backedUp('4')], 1),
  (tx) => tx.keyBackups.deleteKeys(alice, 1, { roomId: ROOM, sessionId: '2' }),
  (tx) => tx.keyBackups.delete(alice, 1),
  (tx) => tx.keyBackups.create(alice, { algorithm: 'a', authData: {} }),
  (tx) => tx.toDevice.put(alice, new Map([['*', { type: 't' }]])),
  async (tx) => tx.toDevice.acknowledge(alice, LAPTOP, await tx.position()),
  (tx) => tx.toDevice.put(alice, new Map([['*', { type: 't' }]])),
  (tx) => tx.outbound.queueEdu(OTHER, { n: 1 }, alice),
  (tx) => tx.outbound.queueEdu(OTHER, { n: 2 }, alice),
  (tx) => tx.outbound.queueEdu(OTHER, { ours: true }),
  async (tx) => tx.outbound.dropEdus([(await tx.outbound.edus(OTHER, 1))[0]!.id]),
  (tx) => tx.devices.delete(alice, [LAPTOP]),
  (tx) => tx.accountData.deleteAll(alice),
]

forEachDatabase('what users store', (test) => {
  test('is counted as it is there, after every kind of change', async (open) => {
    const store = await open()
    const alice = await newUser(store)
    for (const change of changes(alice)) {
      await store.write(change)
      assert.deepEqual(await counted(open), await recounted(open), String(change))
    }
    const kinds = ['devices', 'filters', 'profile', 'encryption_keys', 'key_backup', 'to_device', 'queued_to_device']
    assert.deepEqual([...(await counted(open)).keys()].sort(), kinds.map((kind) => `${alice} ${kind}`).sort())
  })

  test('is counted rightly when many write at once', async (open) => {
    const [one, two] = [await open(), await open()]
    const alice = await newUser(one)
    await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        (n % 2 === 0 ? one : two).write((tx) => tx.accountData.put(alice, null, `type${n % 10}`, { n })),
      ),
    )
    assert.deepEqual(await counted(open), await recounted(open))
  })

  test('grows up to its limit and not a byte further, whoever writes', async (open) => {
    const limit = 4 * (100 + 'type0'.length + 2)
    const [one, two] = [await open({ account_data: limit }), await open({ account_data: limit })]
    const alice = await newUser(one)
    const put = (n: number) =>
      (n % 2 === 0 ? one : two)
        .write((tx) => tx.accountData.put(alice, null, `type${n}`, {}))
        .then(
          () => 'stored',
          (error: unknown) => (error instanceof StorageFullError ? 'full' : error),
        )
    const outcomes = await Promise.all(Array.from({ length: 10 }, (_, n) => put(n)))
    assert.deepEqual(
      outcomes.toSorted(),
      [...Array(6).fill('full'), ...Array(4).fill('stored')],
      'those that fit and no more',
    )
    assert.equal(await used(one, alice, 'account_data'), limit)
    const { length } = await one.read((tx) => tx.accountData.all(alice))
    assert.equal(length, 4, 'nothing of what was refused is there')
    const bob = await newUser(one, 'bob')
    await one.write((tx) => tx.accountData.put(bob, null, 'type', {}))
  })

  test('may shrink where a lowered limit is passed already', async (open) => {
    const before = await open()
    const alice = await newUser(before)
    await before.write((tx) => tx.accountData.put(alice, null, 'a', { text: 'x'.repeat(500) }))
    await before[Symbol.asyncDispose]()
    const store = await open({ account_data: 10 })
    await store.write((tx) => tx.accountData.put(alice, null, 'a', { text: 'x'.repeat(400) }))
    await assert.rejects(
      store.write((tx) => tx.accountData.put(alice, null, 'a', { text: 'x'.repeat(401) })),
      StorageFullError,
    )
  })

  test('is refused by name, each kind', async (open) => {
    const store = await open({
      devices: 1,
      filters: 150,
      profile: 150,
      encryption_keys: 300,
      key_backup: 300,
      queued_to_device: 200,
    })
    const alice = await newUser(store)
    const pad = { pad: 'x'.repeat(300) }
    await store.write((tx) => tx.devices.create(alice, device(PHONE)))
    await store.write((tx) => tx.keyBackups.create(alice, { algorithm: 'a', authData: {} }))
    const refused: readonly [RegExp, (tx: Tx) => Promise<unknown>][] = [
      [/devices.*limit is 1/, (tx) => tx.devices.create(alice, device(LAPTOP))],
      [/filters/, (tx) => tx.filters.put(alice, 'h', pad)],
      [/profile/, (tx) => tx.profiles.set(alice, 'org.example', pad)],
      [/encryption keys/, (tx) => tx.deviceKeys.put(alice, PHONE, pad)],
      [/encryption keys/, (tx) => tx.oneTimeKeys.add(alice, PHONE, [oneTimeKey('1'), oneTimeKey('2')])],
      [/encryption keys/, (tx) => tx.oneTimeKeys.putFallback(alice, PHONE, { ...oneTimeKey('f'), key: pad })],
      [
        /encryption keys/,
        (tx) => tx.crossSigningKeys.put({ userNid: alice, usage: 'master', publicKey: 'p', key: pad }),
      ],
      [/encryption keys/, (tx) => tx.keySignatures.put([signature(alice, pad.pad)])],
      [/encryption keys/, (tx) => tx.dehydratedDevices.put(alice, { deviceId: PHONE, data: pad })],
      [/backed-up keys/, (tx) => tx.keyBackups.create(alice, { algorithm: 'a', authData: pad })],
      [/backed-up keys/, (tx) => tx.keyBackups.setAuthData(alice, 1, pad)],
      [/backed-up keys/, (tx) => tx.keyBackups.putKeys(alice, 1, [backedUp('1'), backedUp('2')], 2)],
      [/other servers/, (tx) => tx.outbound.queueEdu(OTHER, pad, alice)],
    ]
    for (const [message, write] of refused) {
      await assert.rejects(store.write(write), (error: Error) => {
        assert.ok(error instanceof StorageFullError, String(error))
        assert.match(error.message, message)
        return true
      })
    }
    await store.write((tx) => tx.outbound.queueEdu(OTHER, pad))
  })

  test('a device that is never used again does not cut off the others from their messages', async (open) => {
    const store = await open({ to_device: 2_000 })
    const alice = await newUser(store)
    for (const deviceId of [PHONE, LAPTOP]) await store.write((tx) => tx.devices.create(alice, device(deviceId)))
    const put = (to: DeviceId, bytes: number) =>
      store.write((tx) => tx.toDevice.put(alice, new Map([[to, { body: 'x'.repeat(bytes) }]])))
    for (let n = 0; n < 4; n++) assert.equal(typeof (await put(PHONE, 60_000)), 'number', `message ${n}`)
    assert.equal(await put(PHONE, 60_000), 'full', 'much waits for it already')
    assert.equal(typeof (await put(LAPTOP, 60_000)), 'number')
    assert.equal(await put('NONE' as DeviceId, 1), 'no device')
    await store.write(async (tx) => tx.toDevice.acknowledge(alice, PHONE, await tx.position()))
    assert.equal(typeof (await put(PHONE, 60_000)), 'number', 'it came back')
  })

  test('receipts and aliases count by the row', async (open) => {
    const store = await open({ receipts: 2, aliases: 1 })
    const alice = await newUser(store)
    const receipt = (threadId: string | null, rank: number) => ({
      roomNid: 1 as never,
      userNid: alice,
      type: 'm.read' as const,
      threadId,
      eventId: '$e' as EventId,
      rank,
      ts: 1,
    })
    const put = (threadId: string | null, rank: number) => store.write((tx) => tx.receipts.put(receipt(threadId, rank)))
    await put(null, 1)
    await put('$a', 1)
    await put('$a', 2)
    await assert.rejects(put('$b', 1), /read receipts/)
    const nid = await store.write((tx) => tx.rooms.create(ROOM, '12'))
    const alias = (name: string) =>
      store.write((tx) => tx.rooms.putAlias(`#${name}:x` as RoomAlias, nid, '@alice:hearth.example' as UserId))
    await alias('a')
    await assert.rejects(alias('b'), /room aliases/)
    assert.deepEqual(await counted(open), await recounted(open))
  })
})
