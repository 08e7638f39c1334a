import { decodeBase64, ed25519FromSeed, ed25519Verify, encodeBase64 } from '#core/crypto.ts'
import type { Event } from '#core/event/event.ts'
import { contentHash, essentialText, without } from '#core/event/hash.ts'
import { domainOf, isUserId, type ServerName, serverOf } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** Something that signs in a server's (or for signed JSON any entity's) name. */
export type Signer = {
  readonly name: string
  /** `ed25519:` and the key's version. */
  readonly keyId: string
  /** 32 bytes, to be published. */
  readonly publicKey: Uint8Array
  /** The signature in unpadded base64. */
  sign(text: string): string
}

/** The signer of a 32-byte Ed25519 seed. Throws RangeError for a seed of another length. */
export function signerFromSeed(name: string, keyVersion: string, seed: Uint8Array): Signer {
  const key = ed25519FromSeed(seed)
  return {
    name,
    keyId: `ed25519:${keyVersion}`,
    publicKey: key.publicKey,
    sign: (text) => encodeBase64(key.sign(text)),
  }
}

/** The 32 bytes of an entity's key; undefined for one that isn't known, or wasn't valid at the time in question. */
export type KeyLookup = (keyId: string) => Uint8Array | undefined

/** What a check of one entity's signatures found. */
export type SignatureVerdict = 'valid' | 'invalid' | 'unsigned' | 'unknown key'

/** Signs an object (appendices, "Signing JSON"). Signatures of others, and `unsigned`, stay. */
export function signJson(json: JsonObject, signer: Signer): JsonObject {
  return withSignature(json, signer, signer.sign(signableText(json)))
}

/**
 * Hashes and signs an event (server-server API, "Adding hashes and signatures to outgoing events"), for events that
 * another server will send or that were made elsewhere; `buildEvent` makes our own.
 */
export function hashAndSignEvent(json: JsonObject, rules: RoomVersionRules, signer: Signer): JsonObject {
  return addEventSignature({ ...json, hashes: { sha256: encodeBase64(contentHash(json)) } }, rules, signer)
}

/** Adds a signature to an event that has its hashes, such as the join that our user's invite power authorises. */
export function addEventSignature(json: JsonObject, rules: RoomVersionRules, signer: Signer): JsonObject {
  return withSignature(json, signer, signer.sign(essentialText(json, rules)))
}

/** The text that signatures of an object cover. */
export function signableText(json: JsonObject): string {
  return canonicalJson(without(json, ['signatures', 'unsigned']))
}

/** Checks an entity's signatures of an object (appendices, "Checking for a Signature"). */
export function verifyJson(json: JsonObject, name: string, keys: KeyLookup): SignatureVerdict {
  return verifyText(signableText(json), member(json, 'signatures'), name, keys)
}

/** Checks a server's signatures of an event; the same whether the event is whole or redacted. */
export function verifyEvent(
  json: JsonObject,
  rules: RoomVersionRules,
  server: ServerName,
  keys: KeyLookup,
): SignatureVerdict {
  return verifyText(essentialText(json, rules), member(json, 'signatures'), server, keys)
}

/**
 * Checks an entity's signatures of a text. Signatures by keys that aren't known are skipped; of the others each must
 * hold, and there must be one.
 */
export function verifyText(
  text: string,
  signatures: JsonValue | undefined,
  name: string,
  keys: KeyLookup,
): SignatureVerdict {
  const checks = signatureChecks(signatures, name, keys)
  if (typeof checks === 'string') return checks
  return checks.every(({ signature, key }) => ed25519Verify(text, signature, key)) ? 'valid' : 'invalid'
}

/** One signature and the key that it must hold by. */
export type SignatureCheck = { readonly signature: Uint8Array; readonly key: Uint8Array }

/** What is left of `verifyText` for arithmetic alone, to be done elsewhere: each check must hold. Or its verdict. */
export function signatureChecks(
  signatures: JsonValue | undefined,
  name: string,
  keys: KeyLookup,
): readonly SignatureCheck[] | Exclude<SignatureVerdict, 'valid'> {
  const found = signaturesBy(signatures, name)
  if (found.length === 0) return 'unsigned'
  const checks: SignatureCheck[] = []
  for (const [keyId, text] of found) {
    const key = keys(keyId)
    if (key === undefined) continue
    const signature = typeof text === 'string' ? decodeBase64(text) : null
    if (signature === null) return 'invalid'
    checks.push({ signature, key })
  }
  return checks.length > 0 ? checks : 'unknown key'
}

/** The ids of the keys by which an entity signed an object, of the algorithms that we know. */
export function signingKeyIds(json: JsonObject, name: string): string[] {
  return signaturesBy(member(json, 'signatures'), name).map(([keyId]) => keyId)
}

/**
 * The servers whose signatures an event needs (server-server API, "Validating hashes and signatures on received
 * events"; rule "join_authorised_via_users_server" of room versions from 8 on). None for an invitation by a third
 * party in versions from 3 on: there the identity server's signature counts.
 */
export function requiredSignatures(event: Event): ReadonlySet<ServerName> {
  const servers = new Set<ServerName>()
  const isMember = event.type === 'm.room.member'
  const isThirdPartyInvite =
    isMember &&
    member(event.content, 'membership') === 'invite' &&
    isJsonObject(member(event.content, 'third_party_invite'))
  if (!isThirdPartyInvite) servers.add(serverOf(event.sender))
  if (event.rules.eventIdFormat === 'chosen') {
    const chooser = domainOf(event.eventId)
    if (chooser !== null) servers.add(chooser)
  }
  if (isMember && event.rules.auth.restrictedJoin) {
    const authoriser = member(event.content, 'join_authorised_via_users_server')
    if (typeof authoriser === 'string' && isUserId(authoriser)) servers.add(serverOf(authoriser))
  }
  return servers
}

function signaturesBy(signatures: JsonValue | undefined, name: string): [keyId: string, signature: JsonValue][] {
  const own = isJsonObject(signatures) ? member(signatures, name) : undefined
  return isJsonObject(own) ? Object.entries(own).filter(([keyId]) => keyId.startsWith('ed25519:')) : []
}

function withSignature(json: JsonObject, signer: Signer, signature: string): JsonObject {
  const present = member(json, 'signatures')
  const signatures = isJsonObject(present) ? present : {}
  const own = member(signatures, signer.name)
  return {
    ...json,
    signatures: { ...signatures, [signer.name]: { ...(isJsonObject(own) ? own : {}), [signer.keyId]: signature } },
  }
}
