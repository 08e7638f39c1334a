import { type DeviceId, localpartOf, type ServerName, type UserId } from '#core/ids.ts'
import { forbidden, missingParam } from '#core/matrix-error.ts'
import type { Accounts } from '#services/accounts/accounts.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { KeyedMutex } from '#services/accounts/keyed-mutex.ts'
import { localUserId, newUserId } from '#services/accounts/local-users.ts'
import type { Passwords } from '#services/accounts/passwords.ts'
import { type RandomBytes, randomLetters } from '#services/accounts/secrets.ts'
import type { NewSession, Sessions } from '#services/accounts/sessions.ts'
import type { Consent } from '#services/accounts/uia/consent.ts'
import type { Store } from '#store/store.ts'

export type RegistrationRules = { readonly enabled: boolean; readonly guests: boolean }

export type RegistrationRequest = {
  /** null lets the server choose. */
  readonly username: string | null
  readonly password: string | null
  readonly admin: boolean
  /** null makes an account without logging in. */
  readonly session: {
    readonly deviceId: DeviceId | null
    readonly displayName: string | null
    readonly refreshable: boolean
  } | null
}

export type Registered = { readonly userId: UserId; readonly session: NewSession | null }

/** Enough for names never to collide: 80 bits. */
const CHOSEN_NAME_LENGTH = 16

type Deps = {
  store: Store
  serverName: ServerName
  randomBytes: RandomBytes
  rules: RegistrationRules
  accounts: Accounts
  passwords: Passwords
  sessions: Sessions
}

/** How users make accounts for themselves. */
export class Registration {
  readonly #store: Store
  readonly #serverName: ServerName
  readonly #randomBytes: RandomBytes
  readonly #rules: RegistrationRules
  readonly #accounts: Accounts
  readonly #passwords: Passwords
  readonly #sessions: Sessions
  /** By user id, so that a crowd after one name waits for its fate instead of hashing a password each. */
  readonly #turns = new KeyedMutex()

  constructor(deps: Deps) {
    this.#store = deps.store
    this.#serverName = deps.serverName
    this.#randomBytes = deps.randomBytes
    this.#rules = deps.rules
    this.#accounts = deps.accounts
    this.#passwords = deps.passwords
    this.#sessions = deps.sessions
  }

  /** @throws MatrixError M_FORBIDDEN when not everybody may register */
  assertOpen(): void {
    if (!this.#rules.enabled) throw forbidden('Registration is disabled on this server')
  }

  /**
   * "Homeservers MUST perform the relevant checks and return these codes before performing User-Interactive
   * Authentication."
   *
   * @throws MatrixError M_INVALID_USERNAME, M_USER_IN_USE
   */
  async assertAvailable(username: string): Promise<void> {
    await this.#accounts.assertFree(newUserId(username, this.#serverName))
  }

  /**
   * Makes an account and, if asked for, its first session, both or neither. The caller has decided that it may;
   * `consent` is null where that needed no authentication of the user.
   * @throws MatrixError M_INVALID_USERNAME, M_USER_IN_USE, M_MISSING_PARAM, M_WEAK_PASSWORD, M_INVALID_PARAM
   */
  async register(request: RegistrationRequest, consent: Consent | null): Promise<Registered> {
    const userId = request.username === null ? this.#chosenUserId('u') : newUserId(request.username, this.#serverName)
    const { password, admin, session } = request
    if (password === null) throw missingParam("'password' is missing")
    return this.#turns.take(userId, async () => {
      await this.#accounts.assertFree(userId)
      const passwordHash = await this.#passwords.hash(password)
      return this.#save(userId, { passwordHash, admin, guest: false }, session, consent)
    })
  }

  /** @throws MatrixError M_FORBIDDEN when guests aren't wanted */
  async registerGuest(displayName: string | null): Promise<Registered> {
    if (!this.#rules.guests) throw forbidden('Guests are not allowed on this server')
    const session = { deviceId: null, displayName, refreshable: false }
    return this.#save(this.#chosenUserId('guest-'), { passwordHash: null, admin: false, guest: true }, session, null)
  }

  /**
   * Makes a guest's account an ordinary one: "guest users can also upgrade their account by going through the ordinary
   * register flow". The guest's sessions end, and a new one begins.
   * @throws MatrixError as `register` does; M_FORBIDDEN when the guest has another name, or is none
   */
  async upgradeGuest(guest: Caller, request: RegistrationRequest, consent: Consent): Promise<Registered> {
    const { password, username } = request
    this.assertNameOf(guest, username)
    if (password === null) throw missingParam("'password' is missing")
    const { userId, userNid } = guest
    const passwordHash = await this.#passwords.hash(password)
    const session = request.session === null ? null : this.#sessions.prepare(request.session)
    await this.#store.write(async (tx) => {
      await consent.spend(tx)
      if (!(await tx.accounts.upgradeGuest(userNid, passwordHash))) throw forbidden('This account is no guest’s')
      await this.#sessions.endAll(tx, userNid, null)
      if (session !== null) await this.#sessions.save(tx, userNid, session)
    })
    this.#sessions.revoke({ userNid, deviceIds: null })
    return { userId, session }
  }

  /** "They are also required to specify the username parameter to the value of the local part." @throws M_FORBIDDEN */
  assertNameOf(guest: Caller, username: string | null): void {
    if (!guest.isGuest || username !== localpartOf(guest.userId)) {
      throw forbidden("'username' must be that of the guest whose token 'guest_access_token' is")
    }
  }

  async #save(
    userId: UserId,
    account: { passwordHash: string | null; admin: boolean; guest: boolean },
    wish: RegistrationRequest['session'],
    consent: Consent | null,
  ): Promise<Registered> {
    const session = wish === null ? null : this.#sessions.prepare(wish)
    await this.#store.write(async (tx) => {
      await consent?.spend(tx)
      const { userNid } = await this.#accounts.create(tx, userId, account)
      if (session !== null) await this.#sessions.save(tx, userNid, session)
    })
    return { userId, session }
  }

  #chosenUserId(prefix: string): UserId {
    const letters = randomLetters(CHOSEN_NAME_LENGTH, this.#randomBytes).toLowerCase()
    return localUserId(`${prefix}${letters}`, this.#serverName)
  }
}
