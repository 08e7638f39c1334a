/** What of sessions can't be seen from outside: caching against revocation, and how rarely sightings are written. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import { FLUSH_INTERVAL_MS, SEEN_INTERVAL_MS } from '#services/accounts/last-seen.ts'
import { Sessions } from '#services/accounts/sessions.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

const PHONE = 'PHONE' as DeviceId
const ORIGIN = { ip: '192.0.2.1' }

let now = 0
let dataDir: string
let store: Store
let sessions: Sessions
let user: UserNid
let token: string

beforeEach(async () => {
  now = 1_700_000_000_000
  dataDir = await mkdtemp(join(tmpdir(), 'hearth-sessions-'))
  const clock = () => now
  store = await openStore({
    database: 'sqlite',
    dataDir,
    serverName: 'hearth.example' as ServerName,
    clock,
    log: { info() {}, warn() {}, error() {} },
  })
  const onError = (error: unknown) => assert.fail(String(error))
  sessions = new Sessions({ store, clock, randomBytes, onError })
  const session = sessions.prepare({ deviceId: PHONE, displayName: null, refreshable: false })
  token = session.accessToken
  user = await store.write(async (tx) => {
    const userNid = await tx.users.intern('@alice:hearth.example' as UserId)
    await tx.accounts.create({ userNid, guest: false, admin: false, passwordHash: null, createdTs: now })
    await sessions.save(tx, userNid, session)
    return userNid
  })
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true, force: true })
})

const lastSeen = async () => (await store.read((tx) => tx.devices.get(user, PHONE)))?.lastSeenTs

test('a token that is looked up while it is revoked is not remembered', async () => {
  const [lookup] = await Promise.allSettled([sessions.authenticate(token, ORIGIN), sessions.logoutAll(user)])
  assert.ok(lookup)
  await assert.rejects(sessions.authenticate(token, ORIGIN), { errcode: 'M_UNKNOWN_TOKEN' })
})

test('a token that another program revoked is forgotten within ten seconds', async () => {
  await sessions.authenticate(token, ORIGIN)
  await store.write((tx) => tx.devices.delete(user, [PHONE]))
  now += 10_001
  await assert.rejects(sessions.authenticate(token, ORIGIN), { errcode: 'M_UNKNOWN_TOKEN' })
})

test('sightings are gathered, and written at most once in ten minutes for each device', async () => {
  const seen = async () => {
    await sessions.authenticate(token, ORIGIN)
    await sessions.stop()
    return lastSeen()
  }
  const first = now
  assert.equal(await seen(), first)
  now += SEEN_INTERVAL_MS - 1
  assert.equal(await seen(), first)
  now += 1
  assert.equal(await seen(), now)
})

test('no request writes before the gathering time is over', async () => {
  await sessions.authenticate(token, ORIGIN)
  assert.equal(await lastSeen(), null)
  now += FLUSH_INTERVAL_MS
  await sessions.authenticate(token, ORIGIN)
  // The write was queued by that request; ours comes after it.
  await store.write(async () => {})
  assert.equal(await lastSeen(), now - FLUSH_INTERVAL_MS)
})
