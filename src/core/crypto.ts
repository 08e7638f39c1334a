/** The one door to cryptography. Keys, hashes and signatures are bytes here; base64 is spoken at the borders. */
import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto'

export const ED25519_KEY_BYTES = 32
export const ED25519_SIGNATURE_BYTES = 64

export function sha256(data: string | Uint8Array): Uint8Array {
  return hash('sha256', data, 'buffer')
}

/** State resolution of room version 1 orders by this. */
export function sha1Hex(data: string | Uint8Array): string {
  return hash('sha1', data, 'hex')
}

/** SHA-256 in unpadded base64, as `hashes` and event ids have it. */
export function sha256Base64(data: string | Uint8Array): string {
  return encodeBase64(sha256(data))
}

export function encodeBase64(bytes: Uint8Array): string {
  const text = asBuffer(bytes).toString('base64')
  const padding = text.indexOf('=')
  return padding === -1 ? text : text.slice(0, padding)
}

/** URL-safe, unpadded. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url')
}

/**
 * Decodes base64 strictly: null for whitespace, another alphabet, or trailing bits that aren't zero. Padding may be
 * there or not ("implementations SHOULD accept input with or without padding characters"), but not half of it.
 */
export function decodeBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64')
  return encodeBase64(bytes) === text || bytes.toString('base64') === text ? bytes : null
}

/** Decodes unpadded URL-safe base64 as strictly, and without padding. */
export function decodeBase64Url(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64url')
  return encodeBase64Url(bytes) === text ? bytes : null
}

/** Compares secrets in a time that tells nothing of where they differ, nor, since both are hashed, of their lengths. */
export function constantTimeEqual(a: string | Uint8Array, b: string | Uint8Array): boolean {
  return timingSafeEqual(sha256(a), sha256(b))
}

/** Signs with an Ed25519 key; returns 64 bytes. */
export type Ed25519Sign = (data: string | Uint8Array) => Uint8Array

/** The key pair that a 32-byte seed stands for. Throws RangeError for another length. */
export function ed25519FromSeed(seed: Uint8Array): { readonly publicKey: Uint8Array; readonly sign: Ed25519Sign } {
  if (seed.length !== ED25519_KEY_BYTES) throw new RangeError(`An Ed25519 seed has 32 bytes, not ${seed.length}`)
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
    sign: (data) => sign(null, asBuffer(data), privateKey),
  }
}

/** Checks an Ed25519 signature; false for keys and signatures of a wrong length, or a key that is no curve point. */
export function ed25519Verify(data: string | Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== ED25519_SIGNATURE_BYTES || publicKey.length !== ED25519_KEY_BYTES) return false
  try {
    return verify(null, asBuffer(data), publicKeyObject(publicKey), signature)
  } catch {
    return false
  }
}

/** `ed25519Verify` on another thread: calls back later, so that many checks don't hold this one. */
export function ed25519VerifyAside(
  data: string | Uint8Array,
  signature: Uint8Array,
  publicKey: Uint8Array,
  done: (valid: boolean) => void,
): void {
  if (signature.length !== ED25519_SIGNATURE_BYTES || publicKey.length !== ED25519_KEY_BYTES) {
    done(false)
    return
  }
  try {
    verify(null, asBuffer(data), publicKeyObject(publicKey), signature, (error, valid) => done(error === null && valid))
  } catch {
    done(false)
  }
}

/** What stands before the key in its DER forms (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** Making a key object costs as much as a good part of a verification. */
const KEY_OBJECTS_MAX = 4096
const keyObjects = new Map<string, KeyObject>()

function publicKeyObject(publicKey: Uint8Array): KeyObject {
  const name = asBuffer(publicKey).toString('latin1')
  let key = keyObjects.get(name)
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })
    if (keyObjects.size >= KEY_OBJECTS_MAX) keyObjects.clear()
    keyObjects.set(name, key)
  }
  return key
}

function asBuffer(data: string | Uint8Array): Buffer {
  if (typeof data === 'string') return Buffer.from(data)
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
