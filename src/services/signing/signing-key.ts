/** The key with which this server signs events: a file that is made once and must stay secret. */
import { chmodSync, closeSync, existsSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ED25519_KEY_BYTES, encodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed } from '#core/event/sign.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'

const FILE = 'signing.key'
/** `ed25519 a_Xy3z <seed in unpadded base64>`, the line that other homeservers keep as well. */
const LINE = /^ed25519 ([A-Za-z0-9_]{1,64}) ([A-Za-z0-9+/]{43})\s*$/

/** Public halves of keys whose secret halves are in everybody's hands. */
const PUBLISHED: ReadonlySet<string> = new Set([
  // The test vectors of Matrix ("Cryptographic Test Vectors") and of Ed25519 (RFC 8032, 7.1), and the seed of zeros.
  'XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI',
  '11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  'PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw',
  '/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU',
  'O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik',
])

/** The file must not be used; the message says why, and what to do. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError'
}

/**
 * Reads the key under `dataDir`, or makes it there on the first start. Throws where the file can be read by other users
 * of the machine, holds a key that everybody knows, or none: a second key must never replace one that is in use.
 */
export function loadSigningKey(serverName: string, dataDir: string, randomBytes: RandomBytes): Signer {
  const path = join(dataDir, FILE)
  if (!existsSync(path)) writeKey(path, randomBytes)
  const descriptor = openSync(path, 'r')
  try {
    const mode = fstatSync(descriptor).mode & 0o777
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new SigningKeyError(`${path} can be read by other users (mode ${mode.toString(8)}); give it mode 600`)
    }
    const match = LINE.exec(readFileSync(descriptor, 'utf8'))
    if (match === null) throw new SigningKeyError(`${path} doesn't hold a signing key`)
    // Leniently: keys are about whose last letter has bits to spare, like the one in the specification's test vectors.
    const signer = signerFromSeed(serverName, match[1]!, Buffer.from(match[2]!, 'base64'))
    if (PUBLISHED.has(encodeBase64(signer.publicKey))) {
      throw new SigningKeyError(`${path} holds a key that everybody knows; anybody could sign as ${serverName}`)
    }
    return signer
  } finally {
    closeSync(descriptor)
  }
}

function writeKey(path: string, randomBytes: RandomBytes): void {
  // A name of its own, so that the next key, if this one is ever lost, doesn't pass for it.
  const name = `a_${Buffer.from(randomBytes(4)).toString('hex')}`
  const descriptor = openSync(path, 'wx', 0o600)
  try {
    chmodSync(path, 0o600)
    writeSync(descriptor, `ed25519 ${name} ${encodeBase64(randomBytes(ED25519_KEY_BYTES))}\n`)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
