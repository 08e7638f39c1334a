import { signableText } from '#core/event/sign.ts'
import { type DeviceId, isUserId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject } from '#core/json/value.ts'
import { invalidParam, MatrixError, notFound } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import type { RemoteKeys } from '#services/e2ee/remote-keys.ts'
import {
  deviceSigningKey,
  type Ed25519Key,
  ed25519KeyOf,
  invalidSignature,
  isSignedBy,
  publicKeyOf,
  signaturesOf,
} from '#services/e2ee/signed-keys.ts'
import type { ReadTx, Store, Tx } from '#store/store.ts'
import type { CrossSigningUsage } from '#store/types/cross-signing-keys.ts'
import type { KeySignatureRow } from '#store/types/key-signatures.ts'
import type { UserNid } from '#store/types/users.ts'

/** How long another server may take to tell the key that one of our users has signed. */
const REMOTE_TIMEOUT_MS = 10_000
/** Signed keys in one request: each signature takes a while to check. */
const KEYS_MAX = 200

/** `{[userId]: {[keyId]: error}}`: what wasn't taken, and why. */
export type SignatureFailures = Readonly<Record<string, Readonly<Record<string, JsonObject>>>>

/** A signed object, and the key that it claims to be. */
type Signed = { readonly userId: UserId; readonly keyId: string; readonly json: JsonObject }

/** Signatures that users leave on their own keys and on those of others. */
export class KeySignatures {
  readonly #store: Store
  readonly #serverName: ServerName
  readonly #remote: RemoteKeys

  constructor(deps: { readonly store: Store; readonly serverName: ServerName; readonly remote: RemoteKeys }) {
    this.#store = deps.store
    this.#serverName = deps.serverName
    this.#remote = deps.remote
  }

  /**
   * Publishes signatures (`/keys/signatures/upload`): by the self-signing key on own devices, by own devices on the own
   * master key, by the user-signing key on other users' master keys. Each is judged by itself.
   *
   * @param uploaded `{[userId]: {[keyId]: signed object}}`
   * @throws MatrixError M_INVALID_PARAM for too many of them
   */
  async upload(caller: Caller, uploaded: Readonly<Record<string, JsonObject>>): Promise<SignatureFailures> {
    const failures = new Map<string, Map<string, JsonObject>>()
    const fail = (userId: string, keyId: string, error: MatrixError) => {
      const ofUser = failures.get(userId) ?? new Map<string, JsonObject>()
      failures.set(userId, ofUser.set(keyId, { errcode: error.errcode, error: error.message }))
    }
    const count = Object.values(uploaded).reduce((sum, keys) => sum + Object.keys(keys).length, 0)
    if (count > KEYS_MAX) throw invalidParam(`At most ${KEYS_MAX} keys can be signed at once`)
    const all = Object.entries(uploaded).flatMap(([userId, keys]) =>
      Object.entries(keys).map(([keyId, json]) => ({ userId, keyId, json })),
    )
    const signed: Signed[] = []
    for (const { userId, keyId, json } of all) {
      if (!isUserId(userId)) fail(userId, keyId, invalidParam('Not a user id'))
      else if (!isJsonObject(json)) fail(userId, keyId, invalidParam('A signed key must be an object'))
      else signed.push({ userId, keyId, json })
    }
    const remote = await this.#remoteMasterKeys(caller, signed)
    const refused = await this.#store.write((tx) => publish(tx, caller, signed, remote))
    for (const [{ userId, keyId }, error] of refused) fail(userId, keyId, error)
    return Object.fromEntries([...failures].map(([userId, keys]) => [userId, Object.fromEntries(keys)]))
  }

  async #remoteMasterKeys(caller: Caller, signed: readonly Signed[]): Promise<ReadonlyMap<UserId, JsonObject>> {
    const users = new Set(signed.map(({ userId }) => userId).filter((userId) => serverOf(userId) !== this.#serverName))
    if (users.size === 0) return new Map()
    const wanted = new Map([...users].map((userId) => [userId, []]))
    const answer = await this.#remote.query(wanted, { timeoutMs: REMOTE_TIMEOUT_MS, viewer: caller.userNid })
    const found = [...answer.users].map(([userId, { masterKey }]): [UserId, JsonObject | null] => [userId, masterKey])
    return new Map(found.filter((entry): entry is [UserId, JsonObject] => entry[1] !== null))
  }
}

/** Writes what is right, and returns what isn't. */
async function publish(
  tx: Tx,
  caller: Caller,
  signed: readonly Signed[],
  remote: ReadonlyMap<UserId, JsonObject>,
): Promise<(readonly [Signed, MatrixError])[]> {
  const refused: (readonly [Signed, MatrixError])[] = []
  const rows: KeySignatureRow[] = []
  const own = await ownKeys(tx, caller.userNid)
  for (const item of signed) {
    try {
      const found =
        item.userId === caller.userId
          ? await onOwnKey(tx, caller, own, item)
          : await onOtherKey(tx, caller, own, item, remote)
      rows.push(...found)
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      refused.push([item, error])
    }
  }
  const known = await tx.keySignatures.on([...new Set(rows.map(({ target }) => target))], caller.userNid)
  const knownNames = new Set(known.map(nameOf))
  const fresh = rows.filter((row) => !knownNames.has(nameOf(row)))
  await tx.keySignatures.put(fresh)
  const changed = new Set(fresh.filter(({ target }) => target === caller.userNid).map(({ targetKeyId }) => targetKeyId))
  for (const keyId of changed) {
    const isDevice = keyId !== own.get('master')
    await tx.devices.recordListChange(caller.userNid, isDevice ? (keyId as DeviceId) : null)
  }
  return refused
}

/** The public halves of a user's cross-signing keys. */
async function ownKeys(tx: ReadTx, user: UserNid): Promise<ReadonlyMap<CrossSigningUsage, string>> {
  const rows = await tx.crossSigningKeys.ofUsers([user])
  return new Map(rows.map(({ usage, publicKey }) => [usage, publicKey]))
}

async function onOwnKey(
  tx: Tx,
  { userId, userNid }: Caller,
  own: ReadonlyMap<CrossSigningUsage, string>,
  { keyId, json }: Signed,
): Promise<KeySignatureRow[]> {
  const target = { target: userNid, targetKeyId: keyId, signer: userNid }
  if (keyId === own.get('master')) {
    const row = (await tx.crossSigningKeys.ofUsers([userNid])).find(({ usage }) => usage === 'master')
    assertSame(json, row?.key)
    const signers: Ed25519Key[] = []
    for (const [signerKeyId] of signaturesOf(json, userId)) {
      const deviceId = signerKeyId.slice('ed25519:'.length) as DeviceId
      const keys = signerKeyId.startsWith('ed25519:') ? await tx.deviceKeys.get(userNid, deviceId) : null
      const signer = keys === null ? null : deviceSigningKey(keys, deviceId)
      if (signer !== null) signers.push(signer)
    }
    return checkedSignatures(json, userId, signers, 'one of the devices').map((found) => ({ ...target, ...found }))
  }
  const keys = await tx.deviceKeys.get(userNid, keyId as DeviceId)
  if (keys === null) throw notFound('There is no device or master key of this id')
  assertSame(json, keys)
  const selfSigning = own.get('self_signing')
  const signers = selfSigning === undefined ? [] : [ed25519KeyOf(selfSigning)]
  return checkedSignatures(json, userId, signers, 'the self-signing key').map((found) => ({ ...target, ...found }))
}

async function onOtherKey(
  tx: Tx,
  { userId, userNid }: Caller,
  own: ReadonlyMap<CrossSigningUsage, string>,
  { userId: targetId, keyId, json }: Signed,
  remote: ReadonlyMap<UserId, JsonObject>,
): Promise<KeySignatureRow[]> {
  const userSigning = own.get('user_signing')
  const master = remote.get(targetId) ?? (await localMasterKey(tx, targetId))
  if (master === null || publicKeyOf(master) !== keyId) throw notFound('The user has no master key of this id')
  assertSame(json, master)
  const signers = userSigning === undefined ? [] : [ed25519KeyOf(userSigning)]
  const found = checkedSignatures(json, userId, signers, 'the user-signing key')
  const target = await tx.users.intern(targetId)
  return found.map((signature) => ({ target, targetKeyId: keyId, signer: userNid, ...signature }))
}

async function localMasterKey(tx: ReadTx, userId: UserId): Promise<JsonObject | null> {
  const nid = await tx.users.nid(userId)
  const rows = nid === null ? [] : await tx.crossSigningKeys.ofUsers([nid])
  return rows.find(({ usage }) => usage === 'master')?.key ?? null
}

/** "The signed JSON object must match the key previously uploaded or retrieved", but for its signatures. */
function assertSame(json: JsonObject, key: JsonObject | undefined): void {
  if (key === undefined || signableText(json) !== signableText(key)) {
    throw invalidParam('The signed object is not the key that was published')
  }
}

/** The user's signatures by keys that may sign this: each must be right, and there must be one. */
function checkedSignatures(
  json: JsonObject,
  userId: UserId,
  signers: readonly Ed25519Key[],
  expected: string,
): { readonly signerKeyId: string; readonly signature: string }[] {
  const signatures = new Map(signaturesOf(json, userId))
  const found = signers.flatMap((signer) => {
    const signature = signatures.get(signer.keyId)
    if (signature === undefined) return []
    if (typeof signature !== 'string' || !isSignedBy(json, userId, signer)) {
      throw invalidSignature(`The signature by ${signer.keyId} is wrong`)
    }
    return [{ signerKeyId: signer.keyId, signature }]
  })
  if (found.length === 0) throw invalidSignature(`The object is not signed by ${expected}`)
  return found
}

function nameOf({ target, targetKeyId, signer, signerKeyId, signature }: KeySignatureRow): string {
  return [target, signer, signature, targetKeyId, signerKeyId].join(' ')
}
