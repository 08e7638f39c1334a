import type { ServerName, UserId } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { attemptKey, meantUserIds } from '#services/accounts/local-users.ts'
import type { PasswordHasher } from '#services/accounts/password-hasher.ts'
import type { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import type { Store } from '#store/store.ts'
import type { AccountRow } from '#store/types/accounts.ts'

/** Passwords longer than this, in bytes of UTF-8, are refused. */
export const PASSWORD_BYTES_MAX = 512

type Deps = { store: Store; serverName: ServerName; hasher: PasswordHasher; limiter: RateLimiter }

/** Checks and makes password hashes; failed checks of one account are limited. */
export class Passwords {
  readonly #store: Store
  readonly #serverName: ServerName
  readonly #hasher: PasswordHasher
  readonly #limiter: RateLimiter

  constructor(deps: Deps) {
    this.#store = deps.store
    this.#serverName = deps.serverName
    this.#hasher = deps.hasher
    this.#limiter = deps.limiter
  }

  /**
   * The account that a name and a password open; null, after the same time, when there is none. What the name means is
   * a user id of this server, or its localpart. Every attempt counts as a failed one until it has succeeded: of many at
   * once no more are judged than of many in a row.
   *
   * @throws MatrixError M_LIMIT_EXCEEDED, before anything is known about the password
   */
  async check(typedName: string, password: string): Promise<AccountRow | null> {
    const key = attemptKey(typedName, this.#serverName)
    this.#limiter.take('loginFailed', key)
    let failed = false
    try {
      const opened = await this.#open(typedName, password)
      failed = opened === null
      return opened
    } finally {
      // What went wrong before the password was judged is no guess either.
      if (!failed) this.#limiter.giveBack('loginFailed', key)
    }
  }

  async #open(typedName: string, password: string): Promise<AccountRow | null> {
    const account = await this.#find(typedName)
    const stored = account?.passwordHash ?? null
    const opens = Buffer.byteLength(password) <= PASSWORD_BYTES_MAX && (await this.#hasher.verify(password, stored))
    if (!opens || account === null || stored === null) return null
    if (this.#hasher.isOutdated(stored)) await this.#rehash(account, password, stored)
    return account
  }

  /** Whether a typed name means this user, and nobody else. */
  async isNameOf(typedName: string, userId: UserId): Promise<boolean> {
    return (await this.#find(typedName))?.userId === userId
  }

  /** @throws MatrixError M_WEAK_PASSWORD, M_INVALID_PARAM, M_LIMIT_EXCEEDED */
  async hash(password: string): Promise<string> {
    if (password === '') throw new MatrixError('M_WEAK_PASSWORD', 'The password is empty')
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
      throw new MatrixError('M_INVALID_PARAM', `A password may have at most ${PASSWORD_BYTES_MAX} bytes`)
    }
    return this.#hasher.hash(password)
  }

  async #find(typedName: string): Promise<AccountRow | null> {
    return this.#store.read(async (tx) => {
      for (const userId of meantUserIds(typedName, this.#serverName)) {
        const nid = await tx.users.nid(userId)
        const account = nid === null ? null : await tx.accounts.get(nid)
        if (account !== null) return account
      }
      return null
    })
  }

  /** The cost of a hash was raised since this one was made. */
  async #rehash({ userNid }: AccountRow, password: string, stored: string): Promise<void> {
    const passwordHash = await this.#hasher.hash(password)
    await this.#store.write(async (tx) => {
      const now = await tx.accounts.get(userNid)
      if (now?.passwordHash === stored) await tx.accounts.setPasswordHash(userNid, passwordHash)
    })
  }
}
