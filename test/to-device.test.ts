/** Messages from device to device over the client API. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import { TO_DEVICE_MESSAGES_MAX } from '#services/e2ee/to-device-inbox.ts'
import { TO_DEVICE_BYTES_MAX } from '#services/e2ee/to-device-limits.ts'
import { openStore } from '#store/sql/open.ts'
import { type Hearth, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'
import { QUIET_LOG } from '#test/store/harness.ts'

let hearth: Hearth
before(async () => {
  hearth = await startHearth()
})
after(() => hearth[Symbol.asyncDispose]())

let users = 0
const newUser = () => hearth.user(`user${users++}`)

let transactions = 0
async function send(from: TestUser, messages: object, { type = 'm.test', txnId = `t${transactions++}` } = {}) {
  const reply = await hearth.request('PUT', `/sendToDevice/${type}/${txnId}`, { token: from.token, body: { messages } })
  assertMatchesSpec('sendToDevice', reply.status, reply.body)
  return reply
}
const to = (user: TestUser, content: object, deviceId = user.deviceId) => ({ [user.userId]: { [deviceId]: content } })

async function sync(user: TestUser, since?: string) {
  const reply = await hearth.request('GET', since === undefined ? '/sync' : `/sync?since=${since}`, user)
  assert.equal(reply.status, 200)
  assertMatchesSpec('sync', reply.status, reply.body)
  return {
    next: reply.body.next_batch as string,
    numbers: reply.body.to_device.events.map(({ content }: { content: { n: number } }) => content.n) as number[],
    events: reply.body.to_device.events as object[],
  }
}

async function login(user: TestUser): Promise<TestUser> {
  const identifier = { type: 'm.id.user', user: user.userId }
  const login = { type: 'm.login.password', identifier, password: user.password }
  const { body } = await hearth.request('POST', '/login', { body: login })
  return { ...user, deviceId: body.device_id, token: body.access_token }
}

describe('delivery', () => {
  it('keeps what came until the token of the answer comes back', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const start = await sync(bob)
    await send(alice, to(bob, { n: 1 }))
    await send(alice, to(bob, { n: 2 }))
    const first = await sync(bob, start.next)
    assert.deepEqual(first.events, [
      { type: 'm.test', sender: alice.userId, content: { n: 1 } },
      { type: 'm.test', sender: alice.userId, content: { n: 2 } },
    ])
    // The answer was lost, or the client began anew: it hasn't said that it has them.
    assert.deepEqual((await sync(bob, start.next)).numbers, [1, 2])
    assert.deepEqual((await sync(bob)).numbers, [1, 2])
    await send(alice, to(bob, { n: 3 }))
    assert.deepEqual((await sync(bob, first.next)).numbers, [3])
    assert.deepEqual((await sync(bob, start.next)).numbers, [3])
  })

  it('keeps numbers letter for letter', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const content = '{"big":9007199254740993,"float":1.0,"exponent":1e3}'
    const body = `{"messages":{"${bob.userId}":{"*":${content}}}}`
    assert.equal((await hearth.request('PUT', '/sendToDevice/m.test/odd', { token: alice.token, body })).status, 200)
    const { text } = await hearth.request('GET', '/sync', { token: bob.token })
    assert.ok(text.includes(`"content":${content}`), text)
  })

  it('gives a long queue in parts, in order, and loses none of it', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const count = 2 * TO_DEVICE_MESSAGES_MAX + 7
    for (let n = 0; n < count; n++) await send(alice, to(bob, { n }))
    const got: number[] = []
    let { next, numbers } = await sync(bob)
    while (numbers.length > 0) {
      assert.ok(numbers.length <= TO_DEVICE_MESSAGES_MAX)
      got.push(...numbers)
      // Each part is given again as long as it isn't acknowledged.
      assert.deepEqual((await sync(bob, next)).numbers, (await sync(bob, next)).numbers)
      ;({ next, numbers } = await sync(bob, next))
    }
    assert.deepEqual(
      got,
      Array.from({ length: count }, (_, n) => n),
    )
  })

  it('wakes a sync that waits', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const { next } = await sync(bob)
    const waiting = hearth.request('GET', `/sync?since=${next}&timeout=60000`, bob)
    await send(alice, to(bob, { n: 1 }))
    assert.equal((await waiting).body.to_device.events.length, 1)
  })

  it('goes to each device that is named, and with * to all of them', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const second = await login(bob)
    const elsewhere = { [`@nobody:hearth.example`]: { '*': {} } }
    const reply = await send(alice, { ...to(bob, { n: 1 }, '*'), ...to(alice, { n: 2 }), ...elsewhere })
    assert.equal(reply.status, 200)
    await send(alice, to(bob, { n: 3 }, 'NO_SUCH_DEVICE'))
    assert.deepEqual([(await sync(bob)).numbers, (await sync(second)).numbers], [[1], [1]])
    assert.deepEqual((await sync(alice)).numbers, [2])
  })

  it('ends with the device', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const second = await login(bob)
    await send(alice, to(second, { n: 1 }))
    await hearth.request('POST', '/logout', { token: second.token })
    const identifier = { type: 'm.id.user', user: bob.userId }
    const login_ = { type: 'm.login.password', identifier, password: bob.password, device_id: second.deviceId }
    const again = (await hearth.request('POST', '/login', { body: login_ })).body
    assert.deepEqual((await sync({ ...second, token: again.access_token })).numbers, [])
  })

  it('keeps numbers and text as they were', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const text = '{"big":12345678901234567890,"small":1.50,"nul":"\\u0000","__proto__":{"a":1}}'
    const path = `/sendToDevice/m.test/odd`
    const body = `{"messages":{"${bob.userId}":{"${bob.deviceId}":${text}}}}`
    assert.equal((await hearth.request('PUT', path, { token: alice.token, body })).status, 200)
    const reply = await hearth.request('GET', '/sync', bob)
    assert.ok(reply.text.includes(text), reply.text)
  })
})

describe('a transaction', () => {
  it('does nothing when it is repeated, at once or after a restart', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const repeats = Array.from({ length: 20 }, () => send(alice, to(bob, { n: 1 }), { txnId: 'same' }))
    for (const { status } of await Promise.all(repeats)) assert.equal(status, 200)
    assert.deepEqual((await sync(bob)).numbers, [1])
    // The database knows, not this process.
    await using store = await openStore({
      database: 'sqlite',
      dataDir: hearth.dataDir,
      serverName: 'hearth.example' as ServerName,
      clock: () => 0,
      log: QUIET_LOG,
    })
    const isNew = await store.write(async (tx) => {
      const userNid = (await tx.users.nid(alice.userId as Parameters<typeof tx.users.nid>[0]))!
      const transaction = { userNid, deviceId: alice.deviceId, eventType: 'm.test', txnId: 'same' }
      return tx.toDevice.addTransaction(transaction)
    })
    assert.equal(isNew, false)
  })

  it('is another one from another device, and for another type', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const second = await login(alice)
    await send(alice, to(bob, { n: 1 }), { txnId: 'x' })
    await send(second, to(bob, { n: 2 }), { txnId: 'x' })
    await send(alice, to(bob, { n: 3 }), { txnId: 'x', type: 'm.other' })
    assert.deepEqual((await sync(bob)).numbers, [1, 2, 3])
  })
})

describe('limits', () => {
  it('S52: content may have so many bytes and no more, and nothing of a refused request is sent', async () => {
    const [alice, bob] = [await newUser(), await newUser()]
    const filled = (bytes: number) => ({ body: 'x'.repeat(bytes - '{"body":""}'.length) })
    assert.equal((await send(alice, to(bob, filled(TO_DEVICE_BYTES_MAX)))).status, 200)
    const messages = { ...to(alice, { n: 1 }), ...to(bob, filled(TO_DEVICE_BYTES_MAX + 1)) }
    const refused = await send(alice, messages, { txnId: 'big' })
    assert.equal(refused.status, 413)
    assert.equal(refused.body.errcode, 'M_TOO_LARGE')
    assert.deepEqual((await sync(alice)).numbers, [])
    assert.equal((await send(alice, to(alice, { n: 2 }), { txnId: 'big' })).status, 200)
    assert.deepEqual((await sync(alice)).numbers, [2])
    const remote = { '@r:elsewhere.example': { D: filled(TO_DEVICE_BYTES_MAX) } }
    assert.equal((await send(alice, remote)).status, 413)
    const odd = await hearth.request('PUT', '/sendToDevice/m.test/odd2', {
      token: alice.token,
      body: '{"messages":{"@r:elsewhere.example":{"D":{"n":1.5}}}}',
    })
    assert.deepEqual([odd.status, odd.body.errcode], [400, 'M_BAD_JSON'])
  })

  it('asks for maps of users, devices and objects', async () => {
    const alice = await newUser()
    for (const messages of [
      null,
      [],
      'x',
      { 'not a user': {} },
      { [alice.userId]: [] },
      { [alice.userId]: { D: 1 } },
      { [alice.userId]: { '': {} } },
      { [alice.userId]: { ['x'.repeat(300)]: {} } },
      { [alice.userId]: { 'a\0b': {} } },
    ]) {
      const { status } = await send(alice, messages as object)
      assert.equal(status, 400, JSON.stringify(messages))
    }
    assert.equal((await hearth.request('PUT', '/sendToDevice/m.test/none', { ...alice, body: {} })).status, 400)
  })
})

describe('what else a sync says about keys', () => {
  it('is always there', async () => {
    const alice = await newUser()
    const first = (await hearth.request('GET', '/sync', alice)).body
    const second = (await hearth.request('GET', `/sync?since=${first.next_batch}`, alice)).body
    for (const body of [first, second]) {
      assert.deepEqual(body.device_one_time_keys_count, { signed_curve25519: 0 })
      assert.deepEqual(body.device_unused_fallback_key_types, [])
      assert.deepEqual(body.device_lists, { changed: [], left: [] })
    }
  })
})
