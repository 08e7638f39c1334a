import { LRUCache } from 'lru-cache'
import type { DeviceId } from '#core/ids.ts'
import { invalidParam, MatrixError, unknownToken } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { LastSeen } from '#services/accounts/last-seen.ts'
import { hashSecret, newSecret, type RandomBytes, randomLetters } from '#services/accounts/secrets.ts'
import type { Store, Tx } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/** How long an access token lives that comes with a refresh token. Others don't expire. */
export const ACCESS_TOKEN_LIFETIME_MS = 3_600_000
/** Tokens longer than this are not ours. */
const TOKEN_LENGTH_MAX = 256
/** Spent refresh tokens remembered for each device, to notice that one was stolen. */
const SPENT_KEPT_MAX = 20
/** Callers kept in memory. */
const CALLERS_MAX = 20_000
/** How long another process may go on with a token that was revoked here; this process forgets it at once. */
const CALLER_KEPT_MS = 10_000
const DEVICE_ID_LENGTH = 10

/** What a client gets at login, registration and refresh. */
export type SessionTokens = {
  readonly accessToken: string
  readonly refreshToken: string | null
  /** Lifetime of the access token; null = for ever. */
  readonly expiresInMs: number | null
}

export type SessionRequest = {
  /** null lets the server choose. */
  readonly deviceId: DeviceId | null
  /** For a new device only. */
  readonly displayName: string | null
  readonly refreshable: boolean
}

/** A session that was made up but not yet written. */
export type NewSession = SessionTokens & { readonly deviceId: DeviceId; readonly displayName: string | null }

/** Tokens that are void from now on: all of these devices, or of all devices of the user where `deviceIds` is null. */
export type Revocation = { readonly userNid: UserNid; readonly deviceIds: readonly DeviceId[] | null }

type Deps = {
  store: Store
  clock: () => number
  randomBytes: RandomBytes
  onError: (error: unknown) => void
}

type Known = { readonly caller: Caller; readonly expiresTs: number | null }

/** Access and refresh tokens: handing out, recognising, refreshing, revoking. */
export class Sessions {
  readonly #store: Store
  readonly #clock: () => number
  readonly #randomBytes: RandomBytes
  readonly #lastSeen: LastSeen
  readonly #known: LRUCache<string, Known>
  readonly #listeners = new Set<(revocation: Revocation) => void>()
  /** Counts revocations, so that a token read before one isn't remembered after it. */
  #revocations = 0

  constructor(deps: Deps) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#randomBytes = deps.randomBytes
    this.#lastSeen = new LastSeen(deps)
    this.#known = new LRUCache({ max: CALLERS_MAX, ttl: CALLER_KEPT_MS, perf: { now: deps.clock } })
  }

  /** Whom a token speaks for. @throws MatrixError M_UNKNOWN_TOKEN, with `soft_logout` for one that expired */
  async authenticate(accessToken: string, origin: { readonly ip: string }): Promise<Caller> {
    if (accessToken.length > TOKEN_LENGTH_MAX) throw unknownToken('Unknown access token')
    const hash = hashSecret(accessToken)
    const { caller, expiresTs } = this.#known.get(hash) ?? (await this.#load(hash))
    if (expiresTs !== null && this.#clock() >= expiresTs) throw expired()
    if (caller.deviceId !== null) this.#lastSeen.note(caller.userNid, caller.deviceId, origin.ip)
    return caller
  }

  async #load(hash: string): Promise<Known> {
    const before = this.#revocations
    const owner = await this.#store.read((tx) => tx.accessTokens.owner(hash))
    if (owner === null) throw unknownToken('Unknown access token')
    if (!owner.used) await this.#store.write((tx) => tx.accessTokens.markUsed(owner.tokenNid))
    const caller: Caller = {
      userId: owner.userId,
      userNid: owner.userNid,
      deviceId: owner.deviceId,
      isGuest: owner.guest,
      isAdmin: owner.admin,
      accessTokenHash: hash,
    }
    const known = { caller, expiresTs: owner.expiresTs }
    if (before === this.#revocations) this.#known.set(hash, known)
    return known
  }

  /** Makes up the secrets of a session. Nothing is valid before `save`. */
  prepare(request: SessionRequest): NewSession {
    return {
      ...this.#newTokens(request.refreshable),
      deviceId: request.deviceId ?? (randomLetters(DEVICE_ID_LENGTH, this.#randomBytes) as DeviceId),
      displayName: request.displayName,
    }
  }

  /**
   * Writes a prepared session. "If the client sets the device_id, the server will invalidate any access and refresh
   * tokens previously assigned to that device": call `revoke` for the device after the commit.
   *
   * @throws MatrixError M_INVALID_PARAM for a device that is named as one of the user's cross-signing keys
   */
  async save(tx: Tx, userNid: UserNid, session: NewSession): Promise<void> {
    const { deviceId, displayName } = session
    const createdTs = this.#clock()
    if ((await tx.devices.get(userNid, deviceId)) === null) {
      // "Servers MUST not allow devices to have the same IDs as cross-signing keys."
      const keys = await tx.crossSigningKeys.ofUsers([userNid])
      if (keys.some(({ publicKey }) => publicKey === deviceId)) throw invalidParam('A key of the user has this name')
      await tx.devices.create(userNid, { deviceId, displayName, createdTs })
    } else {
      await tx.accessTokens.deleteOfDevice(userNid, deviceId)
    }
    await tx.accessTokens.issue({ userNid, deviceId, ...this.#hashes(session), createdTs, parentNid: null })
  }

  /**
   * Exchanges a refresh token. The old one "remains valid until the new access token or refresh token is used"; one that
   * comes later was stolen, or its successor was, so the session of the device ends.
   *
   * @throws MatrixError M_UNKNOWN_TOKEN
   */
  async refresh(refreshToken: string): Promise<SessionTokens> {
    const refreshHash = hashSecret(refreshToken)
    const tokens = this.#newTokens(true)
    const outcome = await this.#store.write(async (tx) => {
      const row = await tx.accessTokens.byRefreshHash(refreshHash)
      if (row === null) return null
      const { userNid, deviceId, tokenNid } = row
      if (row.spent) {
        await tx.accessTokens.deleteOfDevice(userNid, deviceId)
        return { stolenFrom: { userNid, deviceIds: [deviceId] } }
      }
      if (!row.used) await tx.accessTokens.markUsed(tokenNid)
      await tx.accessTokens.deleteUnusedChildren(tokenNid)
      await tx.accessTokens.pruneSpent(userNid, deviceId, SPENT_KEPT_MAX)
      const createdTs = this.#clock()
      await tx.accessTokens.issue({ userNid, deviceId, ...this.#hashes(tokens), createdTs, parentNid: tokenNid })
      return { stolenFrom: null }
    })
    if (outcome?.stolenFrom) this.revoke(outcome.stolenFrom)
    if (outcome === null || outcome.stolenFrom !== null) throw unknownToken('Unknown refresh token')
    return tokens
  }

  /** Ends the caller's session: the token is void and the device gone. */
  async logout(caller: Caller): Promise<void> {
    const { userNid, deviceId } = caller
    if (deviceId === null) return
    await this.#store.write((tx) => tx.devices.delete(userNid, [deviceId]))
    this.revoke({ userNid, deviceIds: [deviceId] })
  }

  /** Ends all sessions of a user but, perhaps, one device's. */
  async logoutAll(userNid: UserNid, but: DeviceId | null = null): Promise<void> {
    const deviceIds = await this.#store.write((tx) => this.endAll(tx, userNid, but))
    this.revoke({ userNid, deviceIds })
  }

  /** `logoutAll` as a part of a larger write, to be followed by `revoke` with what it returns. */
  async endAll(tx: Tx, userNid: UserNid, but: DeviceId | null): Promise<readonly DeviceId[]> {
    const devices = await tx.devices.list(userNid)
    const deviceIds = devices.map((device) => device.deviceId).filter((deviceId) => deviceId !== but)
    await tx.devices.delete(userNid, deviceIds)
    return deviceIds
  }

  /** Forgets the callers behind tokens that a write made void, and tells those who wait on their behalf. */
  revoke(revocation: Revocation): void {
    this.#revocations += 1
    for (const [hash, { caller }] of this.#known.entries()) {
      if (isRevoked(caller, revocation)) this.#known.delete(hash)
    }
    for (const listener of this.#listeners) listener(revocation)
  }

  /**
   * Calls the listener whenever tokens become void, after the commit: long polls made with them must end. Returns the
   * function that ends the subscription. The listener must not throw.
   */
  onRevoked(listener: (revocation: Revocation) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Writes what is kept back. To be called before the store closes. */
  async stop(): Promise<void> {
    await this.#lastSeen.flush()
  }

  #newTokens(refreshable: boolean): SessionTokens {
    return {
      accessToken: newSecret('hat', this.#randomBytes),
      refreshToken: refreshable ? newSecret('hrt', this.#randomBytes) : null,
      expiresInMs: refreshable ? ACCESS_TOKEN_LIFETIME_MS : null,
    }
  }

  #hashes({ accessToken, refreshToken, expiresInMs }: SessionTokens) {
    return {
      accessHash: hashSecret(accessToken),
      refreshHash: refreshToken === null ? null : hashSecret(refreshToken),
      expiresTs: expiresInMs === null ? null : this.#clock() + expiresInMs,
    }
  }
}

/** Whether a revocation makes this caller's token void. */
export function isRevoked(caller: Caller, { userNid, deviceIds }: Revocation): boolean {
  if (caller.userNid !== userNid) return false
  return deviceIds === null || (caller.deviceId !== null && deviceIds.includes(caller.deviceId))
}

function expired(): MatrixError {
  return new MatrixError('M_UNKNOWN_TOKEN', 'The access token has expired', { extra: { soft_logout: true } })
}
