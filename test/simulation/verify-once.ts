import { ed25519Verify, sha256Base64 } from '#core/crypto.ts'

const CHECKS_MAX = 20_000
const checks = new Map<string, boolean>()

/** Checks a signature; one that another server of the world has checked is remembered. */
export function verifyOnce(data: string | Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  const name = `${sha256Base64(data)} ${sha256Base64(Buffer.concat([signature, publicKey]))}`
  let isValid = checks.get(name)
  if (isValid === undefined) {
    isValid = ed25519Verify(data, signature, publicKey)
    if (checks.size >= CHECKS_MAX) checks.clear()
    checks.set(name, isValid)
  }
  return isValid
}
