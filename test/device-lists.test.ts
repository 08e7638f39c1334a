/** Whose devices changed, as clients are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CryptoDevice } from '#test/harness/crypto-device.ts'
import { startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

test('clients hear of new, changed and deleted devices of those with whom they share a room', async () => {
  await using hearth = await startHearth()
  const [alice, bob, carol] = [await hearth.user('alice'), await hearth.user('bob'), await hearth.user('carol')]
  const post = async (user: TestUser, path: string, body: object = {}) => {
    const reply = await hearth.request('POST', path, { token: user.token, body })
    assert.equal(reply.status, 200, reply.text)
    return reply.body
  }
  const tokens = new Map<TestUser, string>()
  const sync = async (user: TestUser) => {
    const since = tokens.get(user)
    const { body } = await hearth.request('GET', since === undefined ? '/sync' : `/sync?since=${since}`, user)
    if (since !== undefined) {
      const path = `/keys/changes?from=${since}&to=${body.next_batch}`
      const reply = await hearth.request('GET', path, user)
      assertMatchesSpec('getKeysChanges', reply.status, reply.body)
      assert.deepEqual(reply.body, body.device_lists)
    }
    tokens.set(user, body.next_batch)
    return body.device_lists
  }
  const login = async (user: TestUser) =>
    post(user, '/login', {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: user.userId },
      password: user.password,
    })
  const nothing = { changed: [], left: [] }
  const changed = ({ userId }: TestUser) => ({ changed: [userId], left: [] })

  for (const user of [alice, bob, carol]) assert.deepEqual(await sync(user), nothing)
  const { room_id: roomId } = await post(alice, '/createRoom', { preset: 'public_chat' })
  await post(bob, `/join/${roomId}`)
  assert.deepEqual(await sync(alice), changed(bob))
  assert.deepEqual(await sync(bob), changed(alice))

  await post(bob, '/keys/upload', { device_keys: new CryptoDevice(bob).deviceKeys() })
  assert.deepEqual([await sync(alice), await sync(bob), await sync(carol)], [changed(bob), changed(bob), nothing])

  const second = await login(bob)
  assert.deepEqual(await sync(alice), changed(bob))
  await post({ ...bob, token: second.access_token }, '/logout')
  assert.deepEqual(await sync(alice), changed(bob))

  // Whoever comes later hears of all, and all of them.
  await post(carol, `/join/${roomId}`)
  assert.deepEqual((await sync(carol)).changed.sort(), [alice.userId, bob.userId])
  assert.deepEqual(await sync(alice), changed(carol))
  await post(carol, `/rooms/${roomId}/leave`)
  assert.deepEqual((await sync(carol)).left.sort(), [alice.userId, bob.userId])
  assert.deepEqual(await sync(alice), { changed: [], left: [carol.userId] })

  // A further room with somebody who was there all the time is no news.
  await sync(bob)
  const { room_id: other } = await post(alice, '/createRoom', { preset: 'public_chat' })
  await post(bob, `/join/${other}`)
  assert.deepEqual([await sync(alice), await sync(bob)], [nothing, nothing])
  await post(bob, `/rooms/${roomId}/leave`)
  assert.deepEqual([await sync(alice), await sync(bob)], [nothing, nothing])

  // But an encrypted one is: clients begin to keep the lists of those who are in it.
  const { room_id: secret } = await post(alice, '/createRoom', {
    preset: 'public_chat',
    initial_state: [{ type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  })
  await post(bob, `/join/${secret}`)
  assert.deepEqual([await sync(alice), await sync(bob)], [changed(bob), changed(alice)])
  await post(bob, `/rooms/${secret}/leave`)
  assert.deepEqual([await sync(alice), await sync(bob)], [nothing, nothing])
  const path = `/rooms/${other}/state/m.room.encryption`
  const body = { algorithm: 'm.megolm.v1.aes-sha2' }
  assert.equal((await hearth.request('PUT', path, { token: alice.token, body })).status, 200)
  assert.deepEqual([await sync(alice), await sync(bob)], [changed(bob), changed(alice)])
  assert.deepEqual([await sync(alice), await sync(bob)], [nothing, nothing])

  // A change wakes who waits.
  const waiting = hearth.request('GET', `/sync?since=${tokens.get(alice)}&timeout=60000`, alice)
  await login(bob)
  assert.deepEqual((await waiting).body.device_lists, changed(bob))

  // A token that the server can't know: everybody may have changed.
  const ahead = tokens.get(bob)!.replace(/^s1_\d+_/, 's1_999999_')
  const all = (await hearth.request('GET', `/keys/changes?from=${ahead}&to=${ahead}`, bob)).body
  assert.deepEqual(all.changed.sort(), [alice.userId, bob.userId])
  assert.deepEqual(
    (await hearth.request('GET', `/sync?since=${ahead}`, bob)).body.device_lists.changed.sort(),
    all.changed,
  )
  for (const query of ['from=x&to=y', `from=${ahead}`, 't1_1&to=t1_2']) {
    assert.equal((await hearth.request('GET', `/keys/changes?${query}`, bob)).status, 400)
  }
})
