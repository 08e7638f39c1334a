import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import { forbidden, MatrixError } from '#core/matrix-error.ts'
import { attemptKey } from '#services/accounts/local-users.ts'
import type { Passwords } from '#services/accounts/passwords.ts'
import type { NewSession, Sessions } from '#services/accounts/sessions.ts'
import type { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import type { Store } from '#store/store.ts'
import type { AccountRow } from '#store/types/accounts.ts'

export type LoginRequest = {
  /** A user id of this server, or its localpart. */
  readonly name: string
  readonly password: string
  readonly deviceId: DeviceId | null
  readonly displayName: string | null
  readonly refreshable: boolean
}

export type LoggedIn = NewSession & { readonly userId: UserId }

type Deps = { store: Store; serverName: ServerName; passwords: Passwords; sessions: Sessions; limiter: RateLimiter }

/** Login with a password. */
export class Login {
  readonly #store: Store
  readonly #serverName: ServerName
  readonly #passwords: Passwords
  readonly #sessions: Sessions
  readonly #limiter: RateLimiter

  constructor(deps: Deps) {
    this.#store = deps.store
    this.#serverName = deps.serverName
    this.#passwords = deps.passwords
    this.#sessions = deps.sessions
    this.#limiter = deps.limiter
  }

  /** @throws MatrixError M_FORBIDDEN, M_USER_DEACTIVATED, M_LIMIT_EXCEEDED */
  async withPassword(request: LoginRequest): Promise<LoggedIn> {
    const { userId, userNid } = await this.#limited(request)
    const session = this.#sessions.prepare(request)
    await this.#store.write(async (tx) => {
      // Between the check of the password and now, the account may have been closed.
      const now = await tx.accounts.get(userNid)
      if (now === null || now.deactivatedTs !== null) {
        throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated')
      }
      await this.#sessions.save(tx, userNid, session)
    })
    this.#sessions.revoke({ userNid, deviceIds: [session.deviceId] })
    return { ...session, userId }
  }

  /**
   * The account that a request opens. Logins are counted before the password is looked at, and only if it was right:
   * a refusal for their number must not tell that it is.
   */
  async #limited({ name, password }: LoginRequest): Promise<AccountRow> {
    const key = attemptKey(name, this.#serverName)
    this.#limiter.take('loginPerAccount', key)
    let account: AccountRow | null = null
    try {
      account = await this.#passwords.check(name, password)
    } finally {
      if (account === null) this.#limiter.giveBack('loginPerAccount', key)
    }
    if (account === null) throw forbidden('Wrong user name or password')
    return account
  }
}
