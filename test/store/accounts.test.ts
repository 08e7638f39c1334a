import assert from 'node:assert/strict'
import type { DeviceId, UserId } from '#core/ids.ts'
import type { Store } from '#store/store.ts'
import type { NewTokenPair } from '#store/types/access-tokens.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const ALICE = '@alice:hearth.example' as UserId
const PHONE = 'PHONE' as DeviceId
const LAPTOP = 'LAPTOP' as DeviceId

function newAccount(store: Store, admin = false): Promise<UserNid> {
  return store.write(async (tx) => {
    const userNid = await tx.users.intern(ALICE)
    await tx.accounts.create({ userNid, guest: false, admin, passwordHash: 'phc', createdTs: 5 })
    return userNid
  })
}

async function newDevice(store: Store, user: UserNid, deviceId: DeviceId): Promise<void> {
  await store.write((tx) => tx.devices.create(user, { deviceId, displayName: null, createdTs: 6 }))
}

function pair(userNid: UserNid, name: string, parentNid: number | null = null): NewTokenPair {
  const hashes = { accessHash: `access-${name}`, refreshHash: `refresh-${name}` }
  return { userNid, deviceId: PHONE, ...hashes, expiresTs: 1_000, createdTs: 7, parentNid }
}

forEachDatabase('accounts', (test) => {
  test('an account is made once', async (open) => {
    const store = await open()
    const user = await newAccount(store)
    const second = { userNid: user, guest: true, admin: true, passwordHash: null, createdTs: 9 }
    assert.equal(await store.write((tx) => tx.accounts.create(second)), false)
    assert.deepEqual(await store.read((tx) => tx.accounts.get(user)), {
      userNid: user,
      userId: ALICE,
      guest: false,
      admin: false,
      passwordHash: 'phc',
      createdTs: 5,
      deactivatedTs: null,
      erased: false,
    })
  })

  test('any account counts, deactivated ones too', async (open) => {
    const store = await open()
    assert.equal(await store.read((tx) => tx.accounts.any()), false)
    const user = await newAccount(store)
    await store.write((tx) => tx.accounts.deactivate(user, 77, true))
    assert.equal(await store.read((tx) => tx.accounts.any()), true)
  })

  test('a user without an account has none', async (open) => {
    const store = await open()
    const user = await store.write((tx) => tx.users.intern(ALICE))
    assert.equal(await store.read((tx) => tx.accounts.get(user)), null)
  })

  test('deactivation takes password, rights and tokens, and leaves the name taken', async (open) => {
    const store = await open()
    const user = await newAccount(store, true)
    await newDevice(store, user, PHONE)
    await store.write((tx) => tx.accessTokens.issue(pair(user, 'a')))
    assert.equal(await store.read((tx) => tx.accounts.anyAdmin()), true)
    await store.write((tx) => tx.accounts.deactivate(user, 77, true))
    const account = await store.read((tx) => tx.accounts.get(user))
    assert.equal(account?.passwordHash, null)
    assert.equal(account?.admin, false)
    assert.equal(account?.deactivatedTs, 77)
    assert.equal(account?.erased, true)
    assert.equal(await store.read((tx) => tx.accounts.anyAdmin()), false)
    assert.equal(await store.read((tx) => tx.accessTokens.owner('access-a')), null)
    assert.deepEqual(await store.read((tx) => tx.accounts.departing(10)), [ALICE])
    await store.write((tx) => tx.accounts.setDeparted(user))
    assert.deepEqual(await store.read((tx) => tx.accounts.departing(10)), [])
    // A second time neither moves the date nor takes the erasure back.
    await store.write((tx) => tx.accounts.deactivate(user, 99, false))
    const later = await store.read((tx) => tx.accounts.get(user))
    assert.deepEqual([later?.deactivatedTs, later?.erased], [77, true])
  })
})

forEachDatabase('devices', (test) => {
  test('devices are listed by id, renamed and seen', async (open) => {
    const store = await open()
    const user = await newAccount(store)
    await newDevice(store, user, PHONE)
    await newDevice(store, user, LAPTOP)
    await store.write((tx) => tx.devices.rename(user, PHONE, 'My phone'))
    await store.write((tx) => tx.devices.touch([{ userNid: user, deviceId: PHONE, ts: 60, ip: '192.0.2.1' }]))
    const devices = await store.read((tx) => tx.devices.list(user))
    assert.deepEqual(
      devices.map((device) => device.deviceId),
      [LAPTOP, PHONE],
    )
    assert.deepEqual(await store.read((tx) => tx.devices.get(user, PHONE)), {
      deviceId: PHONE,
      displayName: 'My phone',
      createdTs: 6,
      lastSeenTs: 60,
      lastSeenIp: '192.0.2.1',
    })
  })

  test('new, renamed and deleted devices change the device list; a sighting does not', async (open) => {
    const store = await open()
    const user = await newAccount(store)
    const steps: ((store: Store) => Promise<unknown>)[] = [
      () => newDevice(store, user, PHONE),
      () => store.write((tx) => tx.devices.rename(user, PHONE, 'x')),
      () => store.write((tx) => tx.devices.delete(user, [PHONE, LAPTOP])),
    ]
    for (const step of steps) {
      const before = store.position()
      await step(store)
      const position = store.position()
      assert.ok(position > before)
      const changes = await store.read((tx) => tx.devices.listChanges(before, position))
      assert.deepEqual(changes, [{ userNid: user, position }])
    }
    const before = store.position()
    await store.write((tx) => tx.devices.touch([{ userNid: user, deviceId: PHONE, ts: 1, ip: null }]))
    assert.equal(await store.write((tx) => tx.devices.delete(user, [PHONE])), 0)
    assert.equal(store.position(), before)
  })

  test('each change of the list names the device, and one that made it before', async (open) => {
    const store = await open()
    const user = await newAccount(store)
    await newDevice(store, user, PHONE)
    await newDevice(store, user, LAPTOP)
    const [first, second] = [store.position() - 1, store.position()]
    const keys = await store.write((tx) => tx.devices.recordListChange(user, null))
    await store.write((tx) => tx.devices.delete(user, [PHONE, LAPTOP]))
    const end = store.position()
    const changes = await store.read((tx) => tx.devices.ownListChanges(first, end, 9))
    assert.deepEqual(
      changes.map(({ position, deviceId }) => [position, deviceId]),
      [[second, LAPTOP], [keys, null], ...changes.slice(2).map(({ deviceId }, i) => [keys + 1 + i, deviceId])],
    )
    assert.deepEqual(new Set(changes.slice(2).map(({ deviceId }) => deviceId)), new Set([PHONE, LAPTOP]))
    assert.equal((await store.read((tx) => tx.devices.ownListChanges(0, end, 1)))[0]?.deviceId, PHONE)
    const before = (position: number) => store.read((tx) => tx.devices.deviceChangeBefore(user, position))
    assert.deepEqual(await before(keys + 1), { position: second, userNid: user, deviceId: LAPTOP })
    assert.equal(await before(first), null)
    const stranger = await store.write((tx) => tx.users.intern('@them:other.example' as UserId))
    await store.write((tx) => tx.devices.recordListChange(stranger, null))
    assert.deepEqual(await store.read((tx) => tx.devices.ownListChanges(end, store.position(), 9)), [])
  })

  test('a user whose list changed twice is named once', async (open) => {
    const store = await open()
    const user = await newAccount(store)
    await newDevice(store, user, PHONE)
    await newDevice(store, user, LAPTOP)
    const changes = await store.read((tx) => tx.devices.listChanges(0, store.position()))
    assert.deepEqual(changes, [{ userNid: user, position: store.position() }])
  })
})

forEachDatabase('access tokens', (test) => {
  test('a token names its owner until its device is deleted', async (open) => {
    const store = await open()
    const user = await newAccount(store)
    await newDevice(store, user, PHONE)
    const tokenNid = await store.write((tx) => tx.accessTokens.issue(pair(user, 'a')))
    assert.deepEqual(await store.read((tx) => tx.accessTokens.owner('access-a')), {
      tokenNid,
      userNid: user,
      userId: ALICE,
      deviceId: PHONE,
      guest: false,
      admin: false,
      expiresTs: 1_000,
      used: true,
    })
    await store.write((tx) => tx.devices.delete(user, [PHONE]))
    assert.equal(await store.read((tx) => tx.accessTokens.owner('access-a')), null)
    assert.equal(await store.read((tx) => tx.accessTokens.byRefreshHash('refresh-a')), null)
  })

  test('the first use of a refreshed pair spends its parent', async (open) => {
    const store = await open()
    const user = await newAccount(store)
    await newDevice(store, user, PHONE)
    const first = await store.write((tx) => tx.accessTokens.issue(pair(user, 'a')))
    const second = await store.write((tx) => tx.accessTokens.issue(pair(user, 'b', first)))
    assert.equal((await store.read((tx) => tx.accessTokens.byRefreshHash('refresh-a')))?.spent, false)
    assert.equal((await store.read((tx) => tx.accessTokens.owner('access-b')))?.used, false)
    await store.write((tx) => tx.accessTokens.markUsed(second))
    assert.equal((await store.read((tx) => tx.accessTokens.byRefreshHash('refresh-a')))?.spent, true)
    assert.equal((await store.read((tx) => tx.accessTokens.owner('access-b')))?.used, true)
  })

  test('unused children and old spent pairs can be deleted, others stay', async (open) => {
    const store = await open()
    const user = await newAccount(store)
    await newDevice(store, user, PHONE)
    const names = ['a', 'b', 'c', 'd']
    let parent: number | null = null
    for (const name of names) {
      const nid: number = await store.write((tx) => tx.accessTokens.issue(pair(user, name, parent)))
      if (name !== 'd') await store.write((tx) => tx.accessTokens.markUsed(nid))
      if (name !== 'd') parent = nid
    }
    await store.write((tx) => tx.accessTokens.deleteUnusedChildren(parent ?? 0))
    await store.write((tx) => tx.accessTokens.pruneSpent(user, PHONE, 1))
    const left = await Promise.all(
      names.map((name) => store.read((tx) => tx.accessTokens.byRefreshHash(`refresh-${name}`))),
    )
    assert.deepEqual(
      left.map((row) => row !== null),
      [false, true, true, false],
    )
  })
})

forEachDatabase('user-interactive authentication sessions', (test) => {
  test('a session is kept, advances from what it was, and expires', async (open) => {
    const store = await open()
    const session = {
      idHash: 'hash',
      operation: 'deleteDevice',
      userNid: null,
      fingerprint: null,
      completed: [],
      expiresTs: 100,
    }
    await store.write((tx) => tx.uiaSessions.add(session))
    assert.deepEqual(await store.read((tx) => tx.uiaSessions.get('hash')), session)
    const further = { ...session, fingerprint: 'f', completed: [{ stage: 'm.login.dummy', found: { user: 'é' } }] }
    assert.equal(await store.write((tx) => tx.uiaSessions.advance(session, further)), true)
    // Another request, which still knows it as it was.
    assert.equal(await store.write((tx) => tx.uiaSessions.advance(session, { ...further, fingerprint: 'g' })), false)
    assert.deepEqual(await store.read((tx) => tx.uiaSessions.get('hash')), further)
    await store.write((tx) => tx.uiaSessions.deleteExpired(100))
    assert.notEqual(await store.read((tx) => tx.uiaSessions.get('hash')), null)
    await store.write((tx) => tx.uiaSessions.deleteExpired(101))
    assert.equal(await store.read((tx) => tx.uiaSessions.get('hash')), null)
    assert.equal(await store.write((tx) => tx.uiaSessions.advance(further, session)), false)
  })

  test('a session is spent once, and as it is', async (open) => {
    const store = await open()
    const completed = [{ stage: 'm.login.dummy', found: {} }]
    const session = { idHash: 'h', operation: 'x', userNid: null, fingerprint: 'f', completed, expiresTs: 100 }
    await store.write((tx) => tx.uiaSessions.add(session))
    const spend = (row: typeof session) => store.write((tx) => tx.uiaSessions.spend(row))
    assert.equal(await spend({ ...session, fingerprint: 'g' }), false)
    assert.equal(await spend({ ...session, completed: [] }), false)
    assert.deepEqual(await Promise.all([spend(session), spend(session)]), [true, false])
    assert.equal(await store.read((tx) => tx.uiaSessions.get('h')), null)
  })
})
