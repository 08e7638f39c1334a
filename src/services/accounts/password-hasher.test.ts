import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { MatrixError } from '#core/matrix-error.ts'
import { HASHES_IN_FLIGHT_MAX, HASHES_QUEUED_MAX, PasswordHasher } from '#services/accounts/password-hasher.ts'

const hasher = new PasswordHasher({ cost: { memoryKib: 64, passes: 1 }, randomBytes })

test('a password opens its hash, another does not', async () => {
  const hash = await hasher.hash('correct horse')
  assert.match(hash, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.equal(await hasher.verify('correct horse', hash), true)
  assert.equal(await hasher.verify('correct horsf', hash), false)
  assert.notEqual(await hasher.hash('correct horse'), hash)
})

test('compositions of the same letters are one password', async () => {
  assert.equal(await hasher.verify('e\u0301', await hasher.hash('\u00e9')), true)
})

test('no hash, and one that is none, open to nothing', async () => {
  assert.equal(await hasher.verify('', null), false)
  for (const stored of ['', 'plain', '$argon2id$v=19$m=64,t=1,p=0$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAA']) {
    assert.equal(await hasher.verify('plain', stored), false)
  }
})

test('hashes of other parameters verify, and count as outdated', async () => {
  const stronger = new PasswordHasher({ cost: { memoryKib: 128, passes: 2 }, randomBytes })
  const old = await hasher.hash('secret')
  assert.equal(await stronger.verify('secret', old), true)
  assert.equal(stronger.isOutdated(old), true)
  assert.equal(stronger.isOutdated(await stronger.hash('secret')), false)
})

test('W4: at most 34 hashes are under way or wait; one more is refused with M_LIMIT_EXCEEDED', async () => {
  const all = Array.from({ length: HASHES_IN_FLIGHT_MAX + HASHES_QUEUED_MAX + 1 }, () => hasher.hash('x'))
  const results = await Promise.allSettled(all)
  const refused = results.filter((result) => result.status === 'rejected')
  assert.equal(refused.length, 1)
  const reason: unknown = refused[0]?.reason
  assert.ok(reason instanceof MatrixError && reason.errcode === 'M_LIMIT_EXCEEDED')
  assert.ok(await hasher.hash('and then there is room again'))
})
