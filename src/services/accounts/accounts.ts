import { type DeviceId, localpartOf, type ServerName, type UserId } from '#core/ids.ts'
import { forbidden, MatrixError } from '#core/matrix-error.ts'
import { newUserId } from '#services/accounts/local-users.ts'
import type { Passwords } from '#services/accounts/passwords.ts'
import type { Sessions } from '#services/accounts/sessions.ts'
import type { Consent } from '#services/accounts/uia/consent.ts'
import type { Store, Tx } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/** Takes a deactivated user out of all rooms (leave, and decline invites). Called again after a restart if it fails. */
export interface Departure {
  leaveAllRooms(userId: UserId): Promise<void>
}

/** Departures taken up at a start. */
const DEPARTING_MAX = 1_000

export type NewLocalUser = { readonly localpart: string; readonly password: string; readonly admin: boolean }
export type CreatedAccount = { readonly userId: UserId; readonly userNid: UserNid }

type Deps = {
  store: Store
  serverName: ServerName
  clock: () => number
  passwords: Passwords
  sessions: Sessions
  onError: (error: unknown) => void
}

/** Accounts of this server: making, opening with another password, closing for ever. */
export class Accounts {
  readonly #store: Store
  readonly #serverName: ServerName
  readonly #clock: () => number
  readonly #passwords: Passwords
  readonly #sessions: Sessions
  readonly #onError: (error: unknown) => void
  #departure: Departure | null = null

  constructor(deps: Deps) {
    this.#store = deps.store
    this.#serverName = deps.serverName
    this.#clock = deps.clock
    this.#passwords = deps.passwords
    this.#sessions = deps.sessions
    this.#onError = deps.onError
  }

  /** @throws MatrixError M_INVALID_USERNAME, M_USER_IN_USE, M_WEAK_PASSWORD, M_INVALID_PARAM */
  async createAccount(wish: NewLocalUser): Promise<CreatedAccount> {
    const userId = newUserId(wish.localpart, this.#serverName)
    await this.assertFree(userId)
    const passwordHash = await this.#passwords.hash(wish.password)
    return this.#store.write((tx) => this.create(tx, userId, { passwordHash, admin: wish.admin, guest: false }))
  }

  /** Makes an administrator where there is none. @throws MatrixError as `createAccount` does, and M_FORBIDDEN */
  async createFirstAdministrator(wish: Omit<NewLocalUser, 'admin'>): Promise<CreatedAccount> {
    const userId = newUserId(wish.localpart, this.#serverName)
    await this.assertFree(userId)
    const passwordHash = await this.#passwords.hash(wish.password)
    return this.#store.write(async (tx) => {
      if (await tx.accounts.anyAdmin()) throw forbidden('There is an administrator already')
      return this.create(tx, userId, { passwordHash, admin: true, guest: false })
    })
  }

  /** Makes an account as a part of a larger write. @throws MatrixError M_USER_IN_USE */
  async create(
    tx: Tx,
    userId: UserId,
    account: { passwordHash: string | null; admin: boolean; guest: boolean },
  ): Promise<CreatedAccount> {
    const userNid = await tx.users.intern(userId)
    const isNew = await tx.accounts.create({ userNid, ...account, createdTs: this.#clock() })
    if (!isNew) throw userInUse()
    // The specification leaves it open. People would rather meet "alice" than "@alice:example.org".
    if (!account.guest) await tx.profiles.set(userNid, 'displayname', localpartOf(userId))
    return { userId, userNid }
  }

  /** Whether a name can still be had; only `create` decides. @throws MatrixError M_USER_IN_USE */
  async assertFree(userId: UserId): Promise<void> {
    const taken = await this.#store.read(async (tx) => {
      const nid = await tx.users.nid(userId)
      return nid !== null && (await tx.accounts.get(nid)) !== null
    })
    if (taken) throw userInUse()
  }

  /**
   * Sets a new password. With `logoutDevices` the sessions of all devices but `but` end.
   * @throws MatrixError M_WEAK_PASSWORD, M_INVALID_PARAM, M_FORBIDDEN
   */
  async changePassword(
    userId: UserId,
    password: string,
    options: { logoutDevices: boolean; but: DeviceId | null },
    consent: Consent,
  ): Promise<void> {
    const passwordHash = await this.#passwords.hash(password)
    const { userNid, deviceIds } = await this.#store.write(async (tx) => {
      await consent.spend(tx)
      const userNid = await this.#activeNid(tx, userId)
      await tx.accounts.setPasswordHash(userNid, passwordHash)
      return { userNid, deviceIds: options.logoutDevices ? await this.#sessions.endAll(tx, userNid, options.but) : [] }
    })
    if (deviceIds.length > 0) this.#sessions.revoke({ userNid, deviceIds })
  }

  /**
   * Closes an account for ever: nobody can log in again, its keys are gone, and its name stays taken. Afterwards the
   * user leaves all rooms, in the background. With `erase`, account data and profile go too.
   */
  async deactivate(userId: UserId, options: { erase: boolean }, consent: Consent): Promise<void> {
    const userNid = await this.#store.write(async (tx) => {
      await consent.spend(tx)
      const nid = await this.#activeNid(tx, userId)
      await tx.accounts.deactivate(nid, this.#clock(), options.erase)
      await this.#sessions.endAll(tx, nid, null)
      await deleteKeys(tx, nid)
      if (options.erase) await eraseData(tx, nid)
      return nid
    })
    this.#sessions.revoke({ userNid, deviceIds: null })
    this.#depart(userId).catch(this.#onError)
  }

  /** Tells who takes deactivated users out of their rooms, and lets that finish what a restart interrupted. */
  async departBy(departure: Departure): Promise<void> {
    this.#departure = departure
    const unfinished = await this.#store.read((tx) => tx.accounts.departing(DEPARTING_MAX))
    for (const userId of unfinished) await this.#depart(userId).catch(this.#onError)
  }

  async #depart(userId: UserId): Promise<void> {
    if (this.#departure === null) return
    await this.#departure.leaveAllRooms(userId)
    await this.#store.write(async (tx) => tx.accounts.setDeparted(await tx.users.intern(userId)))
  }

  async #activeNid(tx: Tx, userId: UserId): Promise<UserNid> {
    const nid = await tx.users.nid(userId)
    const account = nid === null ? null : await tx.accounts.get(nid)
    if (account === null || account.deactivatedTs !== null) throw forbidden(`No active account ${localpartOf(userId)}`)
    return account.userNid
  }
}

/** What the user's devices share: their own keys went with them. */
async function deleteKeys(tx: Tx, user: UserNid): Promise<void> {
  const keys = await tx.crossSigningKeys.ofUsers([user])
  await tx.keySignatures.forget(
    user,
    keys.map(({ publicKey }) => publicKey),
  )
  await tx.crossSigningKeys.delete(
    user,
    keys.map(({ usage }) => usage),
  )
  await tx.keyBackups.deleteAll(user)
}

async function eraseData(tx: Tx, user: UserNid): Promise<void> {
  await tx.accountData.deleteAll(user)
  for (const field of (await tx.profiles.get(user)).keys()) await tx.profiles.set(user, field, undefined)
}

function userInUse(): MatrixError {
  return new MatrixError('M_USER_IN_USE', 'This user name is taken')
}
