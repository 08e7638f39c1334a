import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { RemoteKeyClient } from '#services/federation/encryption/remote-key-client.ts'
import type { FederationReply, FederationRequest } from '#services/federation/transport/federation-client.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

const [BOB, CAROL, DAVE] = ['@bob:far.test', '@carol:far.test', '@dave:wide.test'] as [UserId, UserId, UserId]
const [D1, D2] = ['D1', 'D2'] as [DeviceId, DeviceId]

let dataDir: string
let store: Store
let viewer: UserNid
before(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'hearth-remote-keys-'))
  const log = { info() {}, warn() {}, error() {} }
  const serverName = 'here.test' as ServerName
  store = await openStore({ database: 'sqlite', dataDir, serverName, clock: () => 1, log })
  viewer = await store.write((tx) => tx.users.intern('@alice:here.test' as UserId))
})
after(async () => {
  await store[Symbol.asyncDispose]()
  rmSync(dataDir, { recursive: true, force: true })
})

const answer = (json: JsonValue): FederationReply => ({
  outcome: 'answered',
  status: 200,
  json,
  bytes: new Uint8Array(),
})

/** A client of servers that answer as told. */
function clientOf(reply: (request: FederationRequest) => FederationReply) {
  const asked: FederationRequest[] = []
  const request = async (one: FederationRequest) => {
    asked.push(one)
    return reply(one)
  }
  return { asked, keys: new RemoteKeyClient({ store, client: { request }, onStale: () => {} }) }
}

const device = (user_id: string, device_id: string): JsonObject => ({ user_id, device_id, keys: { [device_id]: 'k' } })

test('each server is asked once for all of its users, and those that fail are named', async () => {
  const { asked, keys } = clientOf(({ destination }) =>
    destination === 'far.test'
      ? answer({ device_keys: { [BOB]: { D1: device(BOB, 'D1') }, [CAROL]: {} } })
      : { outcome: 'timed out' },
  )
  const wanted = new Map<UserId, DeviceId[]>([
    [BOB, []],
    [CAROL, [D1]],
    [DAVE, []],
  ])
  const { users, failures } = await keys.query(wanted, { timeoutMs: 1_234, viewer })
  assert.deepEqual(asked.map(({ destination }) => destination).sort(), ['far.test', 'wide.test'])
  assert.deepEqual(asked[0]?.body, { device_keys: { [BOB]: [], [CAROL]: [D1] } })
  assert.ok(asked.every(({ timeoutMs }) => timeoutMs === 1_234))
  assert.deepEqual(users.get(BOB)?.devices, new Map([[D1, device(BOB, 'D1')]]))
  assert.deepEqual(users.get(CAROL)?.devices, new Map())
  assert.deepEqual([...failures.keys()], ['wide.test'])
  assert.equal(failures.get('wide.test' as ServerName)?.['errcode'], 'M_CONNECTION_FAILED')
})

test('what a server says of others, of devices nobody asked for, or in another form, is left out', async () => {
  let deep: JsonValue = {}
  for (let i = 0; i < 1_000; i++) deep = { deep }
  const { keys } = clientOf(() =>
    answer({
      device_keys: {
        [BOB]: {
          D1: device(BOB, 'D1'),
          D2: device(CAROL, 'D2'),
          D3: device(BOB, 'D1'),
          D4: 'x',
          D5: { ...device(BOB, 'D5'), deep },
          D6: { ...device(BOB, 'D6'), keys: {} },
        },
        [CAROL]: { D1: device(CAROL, 'D1'), D2: device(CAROL, 'D2') },
        [DAVE]: { D1: device(DAVE, 'D1') },
        '@eve:far.test': { D1: device('@eve:far.test', 'D1') },
      },
      master_keys: {
        [BOB]: { user_id: BOB, usage: ['master'], keys: { k: 'k' } },
        [CAROL]: { user_id: BOB, usage: ['master'], keys: { k: 'k' } },
      },
      self_signing_keys: { [BOB]: { user_id: BOB, usage: ['master'], keys: { k: 'k' } } },
    }),
  )
  const wanted = new Map<UserId, DeviceId[]>([
    [BOB, []],
    [CAROL, [D2]],
  ])
  const { users, failures } = await keys.query(wanted, { timeoutMs: 1, viewer })
  assert.deepEqual([...users.keys()], [BOB, CAROL])
  assert.deepEqual(users.get(BOB), {
    devices: new Map([[D1, device(BOB, 'D1')]]),
    masterKey: { user_id: BOB, usage: ['master'], keys: { k: 'k' } },
    selfSigningKey: null,
  })
  assert.deepEqual([...(users.get(CAROL)?.devices.keys() ?? [])], [D2])
  assert.equal(failures.size, 0)
})

test('answers that make no sense are failures', async () => {
  const refusal: FederationReply = { outcome: 'refused', status: 403, errcode: 'M_FORBIDDEN', error: 'no', json: null }
  for (const [reply, errcode] of [
    [answer([]), 'M_BAD_JSON'],
    [refusal, 'M_FORBIDDEN'],
    [{ outcome: 'unreachable', reason: 'gone' }, 'M_CONNECTION_FAILED'],
  ] as const) {
    const { keys } = clientOf(() => reply)
    const queried = await keys.query(new Map([[BOB, []]]), { timeoutMs: 1, viewer })
    const claimed = await keys.claim(new Map([[BOB, new Map([[D1, 'x']])]]), { timeoutMs: 1 })
    for (const { users, failures } of [queried, claimed]) {
      assert.equal(users.size, 0)
      assert.equal(failures.get('far.test' as ServerName)?.['errcode'], errcode)
    }
  }
})

test('of claimed keys one is taken for each device, of the algorithm that was asked for', async () => {
  const { asked, keys } = clientOf(() =>
    answer({
      one_time_keys: {
        [BOB]: { D1: { 'x:1': { key: 'a' }, 'x:2': { key: 'b' } }, D2: { 'y:1': 'c' }, D3: { 'x:1': 'd' } },
        [CAROL]: { D1: { 'x:1': 'e' } },
      },
    }),
  )
  const wanted = new Map([
    [
      BOB,
      new Map([
        [D1, 'x'],
        [D2, 'x'],
      ]),
    ],
  ])
  const { users } = await keys.claim(wanted, { timeoutMs: 1 })
  assert.deepEqual(asked[0]?.body, { one_time_keys: { [BOB]: { D1: 'x', D2: 'x' } } })
  assert.deepEqual(users, new Map([[BOB, { D1: { 'x:1': { key: 'a' } } }]]))
})
