import { encodeBase64Url, sha256Base64 } from '#core/crypto.ts'

/** Gives `n` random bytes that nobody can guess. */
export type RandomBytes = (n: number) => Uint8Array

/** "All tokens at least 128 bit": these have 256. */
const SECRET_BYTES = 32

/**
 * A new secret to hand out. Its prefix tells what it is, so that scanners recognise one that leaked, and a person
 * which one they hold.
 */
export function newSecret(prefix: string, randomBytes: RandomBytes): string {
  return `${prefix}_${encodeBase64Url(randomBytes(SECRET_BYTES))}`
}

/** The form in which a secret is stored and looked up. The secret has too many bits to be found from it. */
export function hashSecret(secret: string): string {
  return sha256Base64(secret)
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Random capital letters and digits (five bits each), for what people may have to read aloud. */
export function randomLetters(length: number, randomBytes: RandomBytes): string {
  return Array.from(randomBytes(length), (byte) => LETTERS[byte & 31]).join('')
}
