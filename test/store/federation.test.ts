import assert from 'node:assert/strict'
import type { ServerName } from '#core/ids.ts'
import type { FailingDestination } from '#store/types/destinations.ts'
import type { ServerKeyRow } from '#store/types/server-keys.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const [A, B] = ['a.example', 'b.example:8448'] as [ServerName, ServerName]

const keyOf = (byte: number, fields: Partial<ServerKeyRow> = {}): ServerKeyRow => ({
  keyId: 'ed25519:1',
  key: new Uint8Array(32).fill(byte),
  validUntilTs: 1000,
  expiredTs: null,
  ...fields,
})
const DOCUMENT = { json: '{"a":1}', validUntilTs: 1000, fetchedTs: 500 }

forEachDatabase('server keys', (test) => {
  test('are kept by server and id, with the last document', async (open) => {
    const store = await open()
    const old = keyOf(2, { keyId: 'ed25519:0', expiredTs: 400 })
    assert.deepEqual(await store.write((tx) => tx.serverKeys.put(A, [keyOf(1), old], [DOCUMENT])), [])
    await store.write((tx) => tx.serverKeys.put(B, [keyOf(3)], [DOCUMENT]))
    const found = await store.read((tx) => tx.serverKeys.keysOf([A, 'c.example' as ServerName]))
    assert.deepEqual([...found.keys()], [A])
    assert.deepEqual(
      new Map(found.get(A)?.map((key) => [key.keyId, key])),
      new Map([
        ['ed25519:0', old],
        ['ed25519:1', keyOf(1)],
      ]),
    )
    assert.deepEqual(await store.read((tx) => tx.serverKeys.keysOf([])), new Map())
    assert.deepEqual(await store.read((tx) => tx.serverKeys.documents(A)), [DOCUMENT])
    assert.deepEqual(await store.read((tx) => tx.serverKeys.documents('c.example' as ServerName)), [])
  })

  test('change their times, are added to, and stay when no longer named', async (open) => {
    const store = await open()
    await store.write((tx) => tx.serverKeys.put(A, [keyOf(1)], [DOCUMENT]))
    const later = { json: '{"a":2}', validUntilTs: 2000, fetchedTs: 1500 }
    await store.write((tx) =>
      tx.serverKeys.put(A, [keyOf(2, { keyId: 'ed25519:2', validUntilTs: 2000 })], [later, DOCUMENT]),
    )
    await store.write((tx) =>
      tx.serverKeys.put(A, [keyOf(1, { expiredTs: 900, validUntilTs: 900 })], [later, DOCUMENT]),
    )
    const keys = (await store.read((tx) => tx.serverKeys.keysOf([A]))).get(A)
    assert.deepEqual(keys?.map(({ keyId, validUntilTs, expiredTs }) => [keyId, validUntilTs, expiredTs]).sort(), [
      ['ed25519:1', 900, 900],
      ['ed25519:2', 2000, null],
    ])
    assert.deepEqual(await store.read((tx) => tx.serverKeys.documents(A)), [later, DOCUMENT])
    await store.write((tx) => tx.serverKeys.put(A, [], [later]))
    assert.deepEqual(await store.read((tx) => tx.serverKeys.documents(A)), [later])
  })

  test('never stand for another key', async (open) => {
    const store = await open()
    await store.write((tx) => tx.serverKeys.put(A, [keyOf(1)], [DOCUMENT]))
    const refused = await store.write((tx) => tx.serverKeys.put(A, [keyOf(9, { validUntilTs: 9000 })], [DOCUMENT]))
    assert.deepEqual(refused, ['ed25519:1'])
    assert.deepEqual((await store.read((tx) => tx.serverKeys.keysOf([A]))).get(A), [keyOf(1)])
  })
})

forEachDatabase('failing destinations', (test) => {
  const failing = (server: ServerName, nextTryTs: number): FailingDestination => ({
    server,
    failingSinceTs: 1,
    failures: 2,
    nextTryTs,
  })

  test('are kept until they can be reached again, or are forgotten', async (open) => {
    const store = await open()
    await store.write(async (tx) => {
      await tx.destinations.putFailing(failing(A, 10))
      await tx.destinations.putFailing(failing(B, 20))
      await tx.destinations.putFailing(failing(A, 30))
    })
    assert.deepEqual(await store.read((tx) => tx.destinations.failing(9)), [failing(A, 30), failing(B, 20)])
    assert.deepEqual(await store.read((tx) => tx.destinations.failing(1)), [failing(A, 30)])
    await store.write((tx) => tx.destinations.deleteFailingBefore(30))
    assert.deepEqual(await store.read((tx) => tx.destinations.failing(9)), [failing(A, 30)])
    await store.write((tx) => tx.destinations.deleteFailing(A))
    assert.deepEqual(await store.read((tx) => tx.destinations.failing(9)), [])
  })
})
