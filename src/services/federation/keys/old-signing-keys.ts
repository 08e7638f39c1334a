import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeBase64, ED25519_KEY_BYTES } from '#core/crypto.ts'
import type { OldKey } from '#services/federation/keys/own-keys.ts'
import { SigningKeyError } from '#services/signing/signing-key.ts'

const FILE = 'old-signing-keys'
const LINE = /^ed25519 ([A-Za-z0-9_]{1,64}) ([A-Za-z0-9+/]{43}) ([0-9]{1,15})$/

/**
 * The public halves of keys that this server signed with before: lines of `ed25519 a_Xy3z <public key> <ms since 1970
 * when it was last used>` in a file under `dataDir`, if there is one. Without them events of that time can't be checked
 * by servers that meet them later. Throws for a line that isn't like that.
 */
export function loadOldSigningKeys(dataDir: string): OldKey[] {
  const path = join(dataDir, FILE)
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trim())
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = LINE.exec(line)
      const publicKey = match === null ? null : decodeBase64(match[2]!)
      if (match === null || publicKey?.length !== ED25519_KEY_BYTES)
        throw new SigningKeyError(`${path}: not a key: ${line}`)
      return { keyId: `ed25519:${match[1]!}`, publicKey, expiredTs: Number(match[3]!) }
    })
}
