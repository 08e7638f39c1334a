import { decodeBase64, decodeBase64Url, ed25519Verify } from '#core/crypto.ts'
import type { Event } from '#core/event/event.ts'
import { signableText } from '#core/event/sign.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { type AuthResult, allow, reject } from './auth-result.ts'
import { contentField } from './content-field.ts'
import type { RoomView } from './room-view.ts'

/** How many pairs of a signature and a key are tried; an honest invite has one signature and two or three keys. */
const ATTEMPTS_MAX = 100

/** The rules for an invite that redeems an `m.room.third_party_invite`. */
export function checkThirdPartyInvite(event: Event, invite: JsonValue, room: RoomView, rule: string): AuthResult {
  if (event.stateKey !== null && room.membership(event.stateKey) === 'ban') {
    return reject(`${rule}.1`, 'the invited user is banned')
  }
  const signed = isJsonObject(invite) ? member(invite, 'signed') : undefined
  if (signed === undefined) return reject(`${rule}.2`, 'third_party_invite has no signed property')
  const mxid = isJsonObject(signed) ? member(signed, 'mxid') : undefined
  const token = isJsonObject(signed) ? member(signed, 'token') : undefined
  if (!isJsonObject(signed) || mxid === undefined || token === undefined) {
    return reject(`${rule}.3`, 'signed lacks mxid or token')
  }
  if (mxid !== event.stateKey) return reject(`${rule}.4`, 'mxid is not the invited user')
  const offered = typeof token === 'string' ? room.thirdPartyInvite(token) : undefined
  if (offered === undefined) return reject(`${rule}.5`, 'the room has no third-party invite with this token')
  if (offered.sender !== event.sender) return reject(`${rule}.6`, 'another user made the third-party invite')
  if (isSignedByAny(signed, publicKeysOf(offered))) return allow(`${rule}.7`)
  return reject(`${rule}.8`, "no signature is by one of the third-party invite's keys")
}

/** `public_key`, and each `public_key` in the list `public_keys`. */
function publicKeysOf(offered: Event): Uint8Array[] {
  const listed = contentField(offered, 'public_keys')
  const entries = Array.isArray(listed) ? listed : []
  const texts = [
    contentField(offered, 'public_key'),
    ...entries.map((entry: JsonValue) => (isJsonObject(entry) ? member(entry, 'public_key') : undefined)),
  ]
  return texts.map(decodeKey).filter((key) => key !== null)
}

/** Keys are "encoded as unpadded Base64, possibly URL-safe"; identity servers are known to send padding too. */
function decodeKey(text: JsonValue | undefined): Uint8Array | null {
  if (typeof text !== 'string') return null
  const unpadded = text.replace(/={0,2}$/, '')
  return decodeBase64(unpadded) ?? decodeBase64Url(unpadded)
}

function isSignedByAny(signed: JsonObject, publicKeys: readonly Uint8Array[]): boolean {
  const text = signedText(signed)
  if (text === null) return false
  let attempts = 0
  for (const signature of signaturesOf(signed)) {
    for (const publicKey of publicKeys) {
      attempts += 1
      if (attempts > ATTEMPTS_MAX) return false
      if (ed25519Verify(text, signature, publicKey)) return true
    }
  }
  return false
}

function signaturesOf(signed: JsonObject): Uint8Array[] {
  const signatures = member(signed, 'signatures')
  if (!isJsonObject(signatures)) return []
  const found: Uint8Array[] = []
  for (const byKey of Object.values(signatures)) {
    if (!isJsonObject(byKey)) continue
    for (const [keyId, signature] of Object.entries(byKey)) {
      const bytes = keyId.startsWith('ed25519:') ? decodeKey(signature) : null
      if (bytes !== null) found.push(bytes)
    }
  }
  return found
}

/** null where the object has no canonical form. */
function signedText(signed: JsonObject): string | null {
  try {
    return signableText(signed)
  } catch {
    return null
  }
}
