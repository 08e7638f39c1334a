/** S8: the key is made once, kept secret, and never replaced in silence. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, it } from 'node:test'
import { loadSigningKey } from '#services/signing-key.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-key-'))
  file = join(folder, 'signing.key')
})
afterEach(() => rmSync(folder, { recursive: true }))

const load = () => loadSigningKey('example.org', folder, randomBytes)

it('is made on the first start and found on the next', () => {
  const first = load()
  const second = load()
  assert.equal(first.name, 'example.org')
  assert.match(first.keyId, /^ed25519:a_[0-9a-f]{8}$/)
  assert.deepEqual([second.keyId, second.publicKey], [first.keyId, first.publicKey])
})

it('differs from installation to installation', () => {
  const first = load()
  rmSync(file)
  assert.notDeepEqual(load().publicKey, first.publicKey)
})

it('is readable by its owner alone', () => {
  load()
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

it('is refused when others can read it', { skip: process.platform === 'win32' }, () => {
  load()
  for (const mode of [0o640, 0o604]) {
    chmodSync(file, mode)
    assert.throws(load, /can be read by other users/)
  }
})

it('is never replaced when it is damaged', () => {
  for (const damaged of ['', 'ed25519 a_1 short\n', 'rsa a_1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n']) {
    writeFileSync(file, damaged, { mode: 0o600 })
    assert.throws(load, /doesn't hold a signing key/)
    assert.equal(readFileSync(file, 'utf8'), damaged)
  }
})

it('is read in the form that other homeservers keep', () => {
  writeFileSync(file, 'ed25519 a_Old1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n', { mode: 0o600 })
  const signer = load()
  assert.equal(signer.keyId, 'ed25519:a_Old1')
  // The signature of the empty object in the specification's appendices ("Signing JSON", test vectors).
  assert.equal(
    signer.sign('{}'),
    'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ',
  )
})
