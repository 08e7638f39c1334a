/** S8: the key is made once, kept secret, and never replaced in silence. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, it } from 'node:test'
import { encodeBase64 } from '#core/crypto.ts'
import { signerFromSeed } from '#core/event/sign.ts'
import { loadSigningKey } from '#services/signing/signing-key.ts'

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
  const seed = randomBytes(32)
  writeFileSync(file, `ed25519 a_Old1 ${encodeBase64(seed)}\n`, { mode: 0o600 })
  const signer = load()
  assert.equal(signer.keyId, 'ed25519:a_Old1')
  assert.deepEqual(signer.publicKey, signerFromSeed('example.org', 'a_Old1', seed).publicKey)
})

it('is refused where everybody knows it', () => {
  const seeds = [
    // The specification's appendices ("Signing Key"), and the first of RFC 8032, 7.1.
    'YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1',
    encodeBase64(Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')),
    encodeBase64(Buffer.alloc(32)),
  ]
  for (const seed of seeds) {
    writeFileSync(file, `ed25519 a_1 ${seed}\n`, { mode: 0o600 })
    assert.throws(load, /everybody knows; anybody could sign as example\.org/)
  }
})
