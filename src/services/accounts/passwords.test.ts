import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RATE_LIMITS } from '#config/rate-limits.ts'
import type { ServerName, UserId } from '#core/ids.ts'
import { PasswordHasher } from '#services/accounts/password-hasher.ts'
import { Passwords } from '#services/accounts/passwords.ts'
import { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import { openStore } from '#store/sql/open.ts'

test('W4: a hash made at a lower cost is replaced when its password was given', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'hearth-passwords-'))
  const clock = () => 0
  const log = { info() {}, warn() {}, error() {} }
  const store = await openStore({ database: 'sqlite', dataDir, serverName: 'hearth.example' as ServerName, clock, log })
  try {
    const limiter = new RateLimiter({ limits: RATE_LIMITS, clock })
    const passwordsAt = (memoryKib: number) => {
      const hasher = new PasswordHasher({ cost: { memoryKib, passes: 1 }, randomBytes })
      return new Passwords({ store, serverName: 'h.example' as ServerName, hasher, limiter })
    }
    const passwordHash = await passwordsAt(8).hash('secret')
    const userNid = await store.write(async (tx) => {
      const nid = await tx.users.intern('@a:h.example' as UserId)
      await tx.accounts.create({ userNid: nid, guest: false, admin: false, passwordHash, createdTs: 0 })
      return nid
    })
    const stored = async () => (await store.read((tx) => tx.accounts.get(userNid)))?.passwordHash
    assert.equal(await passwordsAt(16).check('a', 'wrong'), null)
    assert.equal(await stored(), passwordHash)
    assert.equal((await passwordsAt(16).check('a', 'secret'))?.userNid, userNid)
    assert.match((await stored()) ?? '', /m=16,/)
    assert.equal((await passwordsAt(16).check('a', 'secret'))?.userNid, userNid)
  } finally {
    await store[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  }
})
