import assert from 'node:assert/strict'
import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const [PHONE, LAPTOP] = ['PHONE', 'LAPTOP'] as [DeviceId, DeviceId]
const REMOTE = 'elsewhere.example' as ServerName

async function userWith(store: Store, ...devices: readonly DeviceId[]): Promise<UserNid> {
  return store.write(async (tx) => {
    const user = await tx.users.intern('@alice:hearth.example' as UserId)
    await tx.accounts.create({ userNid: user, passwordHash: null, admin: false, guest: false, createdTs: 1 })
    for (const deviceId of devices) await tx.devices.create(user, { deviceId, displayName: null, createdTs: 1 })
    return user
  })
}

const put = (store: Store, user: UserNid, messages: Readonly<Record<string, string>>) =>
  store.write((tx) =>
    tx.toDevice.put(user, new Map(Object.entries(messages).map(([device, body]) => [device, { content: { body } }]))),
  )

const waiting = async (store: Store, user: UserNid, device: DeviceId, to = Number.MAX_SAFE_INTEGER, limit = 100) => {
  const messages = await store.read((tx) => tx.toDevice.waiting(user, device, to, limit))
  return messages.map(({ event }) => (event['content'] as { body: string }).body)
}

forEachDatabase('messages to devices', (test) => {
  test('each device gets its own, in order, and only those that exist', async (open) => {
    const store = await open()
    const user = await userWith(store, PHONE, LAPTOP)
    await put(store, user, { PHONE: 'one', LAPTOP: 'other' })
    await put(store, user, { PHONE: 'two', GONE: 'never' })
    assert.equal(await put(store, user, { GONE: 'never' }), 'no device')
    assert.deepEqual(await waiting(store, user, PHONE), ['one', 'two'])
    assert.deepEqual(await waiting(store, user, LAPTOP), ['other'])
    const log = await store.read((tx) => tx.log.between(0, store.position(), 99))
    const told = log.filter(({ kind }) => kind === 'to_device')
    assert.deepEqual(
      told.map(({ userNid }) => userNid),
      [user, user],
    )
  })

  test('a message for all devices goes to those that have none of their own', async (open) => {
    const store = await open()
    const user = await userWith(store, PHONE, LAPTOP)
    await put(store, user, { '*': 'all', LAPTOP: 'mine' })
    assert.deepEqual(await waiting(store, user, PHONE), ['all'])
    assert.deepEqual(await waiting(store, user, LAPTOP), ['mine'])
  })

  test('what is acknowledged goes, what came later stays', async (open) => {
    const store = await open()
    const user = await userWith(store, PHONE, LAPTOP)
    await put(store, user, { PHONE: 'one' })
    const second = Number(await put(store, user, { '*': 'two' }))
    await put(store, user, { PHONE: 'three' })
    assert.deepEqual(await waiting(store, user, PHONE, second), ['one', 'two'])
    assert.deepEqual(await waiting(store, user, PHONE, second, 1), ['one'])
    await store.write((tx) => tx.toDevice.acknowledge(user, PHONE, second))
    assert.deepEqual(await waiting(store, user, PHONE), ['three'])
    assert.deepEqual(await waiting(store, user, LAPTOP), ['two'])
  })

  test('messages go with their device, and a new device of that name has none', async (open) => {
    const store = await open()
    const user = await userWith(store, PHONE)
    await put(store, user, { PHONE: 'old' })
    await store.write((tx) => tx.devices.delete(user, [PHONE]))
    await store.write((tx) => tx.devices.create(user, { deviceId: PHONE, displayName: null, createdTs: 2 }))
    assert.deepEqual(await waiting(store, user, PHONE), [])
  })

  test('text of every kind survives', async (open) => {
    const store = await open()
    const user = await userWith(store, PHONE)
    await put(store, user, { PHONE: 'nul \0 and \ud83d\ude00' })
    assert.deepEqual(await waiting(store, user, PHONE), ['nul \0 and \ud83d\ude00'])
  })

  test('sends and what other servers sent are remembered until they are forgotten', async (open) => {
    const store = await open()
    const user = await userWith(store, PHONE)
    const send = { userNid: user, deviceId: PHONE, eventType: 'm.x', txnId: '1' }
    const add = (more: Partial<typeof send> = {}) =>
      store.write((tx) => tx.toDevice.addTransaction({ ...send, ...more }))
    assert.equal(await add(), true)
    assert.equal(await add(), false)
    for (const other of [{ txnId: '2' }, { deviceId: LAPTOP }, { eventType: 'm.y' }])
      assert.equal(await add(other), true)
    const receive = (origin: ServerName, id: string) => store.write((tx) => tx.toDevice.addMessageId(origin, id))
    assert.equal(await receive(REMOTE, 'a'), true)
    assert.equal(await receive(REMOTE, 'a'), false)
    assert.equal(await receive('third.example' as ServerName, 'a'), true)
    await store.write(async (tx) => {
      await tx.toDevice.forgetTransactions(1_600_000_000_000)
      await tx.toDevice.forgetMessageIds(1_600_000_000_000)
    })
    assert.deepEqual([await add(), await receive(REMOTE, 'a')], [false, false])
    await store.write(async (tx) => {
      await tx.toDevice.forgetTransactions(1_800_000_000_000)
      await tx.toDevice.forgetMessageIds(1_800_000_000_000)
    })
    assert.deepEqual([await add(), await receive(REMOTE, 'a')], [true, true])
  })
})
