import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import { accountDataChanges, allAccountData } from '#services/account-data/account-data-feed.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { PushRules } from '#services/push-rules/push-rules.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'

const ALICE = '@alice:hearth.example' as UserId

let dataDir: string
let store: Store
let caller: Caller

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hearth-feed-'))
  const log = { info() {}, warn() {}, error() {} }
  store = await openStore({
    database: 'sqlite',
    dataDir,
    serverName: 'hearth.example' as ServerName,
    clock: () => 0,
    log,
  })
  const userNid = await store.write((tx) => tx.users.intern(ALICE))
  const deviceId = 'D' as DeviceId
  caller = { userId: ALICE, userNid, deviceId, isGuest: false, isAdmin: false, accessTokenHash: '' }
})
after(async () => {
  await store[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true, force: true })
})

test('everything holds the push rules even before the user changed any; changes hold none then', async () => {
  await store.write((tx) => tx.accountData.put(caller.userNid, null, 'org.example', { a: 1 }))
  const all = await store.read((tx) => allAccountData(tx, caller))
  assert.deepEqual(
    all.map((row) => row.type),
    ['m.push_rules', 'org.example'],
  )
  const changes = await store.read((tx) => accountDataChanges(tx, caller, 0, store.position()))
  assert.deepEqual(
    changes.map((row) => row.type),
    ['org.example'],
  )
})

test('a changed push rule shows as the whole ruleset, at its position', async () => {
  const before = store.position()
  await new PushRules({ store }).put(caller, 'content', 'cake', { pattern: 'cake', actions: ['notify'] }, {})
  const position = store.position()
  assert.ok(position > before)
  const [change, ...none] = await store.read((tx) => accountDataChanges(tx, caller, before, position))
  assert.deepEqual(none, [])
  assert.deepEqual([change?.type, change?.roomId, change?.position], ['m.push_rules', null, position])
  const global = member(change?.content ?? {}, 'global') as unknown as { content: { rule_id: string }[] }
  assert.equal(global.content[0]?.rule_id, 'cake')
  const all = await store.read((tx) => allAccountData(tx, caller))
  assert.deepEqual(all.filter((row) => row.type === 'm.push_rules').length, 1)
})
