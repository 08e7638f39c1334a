import { constantTimeEqual } from '#core/crypto.ts'
import { forbidden } from '#core/matrix-error.ts'
import type { Accounts, CreatedAccount } from '#services/accounts/accounts.ts'
import { newSecret, type RandomBytes } from '#services/accounts/secrets.ts'
import type { Store } from '#store/store.ts'

/** Where the page stands, followed by the token. */
export const FIRST_RUN_PATH = '/_hearth/first-run/'

/**
 * The first administrator is made in the browser, at an address that only who started the server has seen. Each start
 * makes a new address; it is good until an administrator exists.
 */
export class FirstRun {
  readonly #store: Store
  readonly #accounts: Accounts
  readonly #token: string

  constructor(deps: { store: Store; accounts: Accounts; randomBytes: RandomBytes }) {
    this.#store = deps.store
    this.#accounts = deps.accounts
    this.#token = newSecret('first', deps.randomBytes)
  }

  /** The address below `baseUrl` (without a slash at its end); null when there is an administrator already. */
  async address(baseUrl: string): Promise<string | null> {
    return (await this.#isOver()) ? null : `${baseUrl}${FIRST_RUN_PATH}${this.#token}`
  }

  /** @throws MatrixError M_FORBIDDEN for a wrong token, and when there is an administrator already */
  async check(token: string): Promise<void> {
    if (!constantTimeEqual(token, this.#token) || (await this.#isOver())) throw gone()
  }

  /** @throws MatrixError as `check` and `Accounts.createFirstAdministrator` do */
  async createAdministrator(token: string, localpart: string, password: string): Promise<CreatedAccount> {
    await this.check(token)
    return this.#accounts.createFirstAdministrator({ localpart, password })
  }

  async #isOver(): Promise<boolean> {
    return this.#store.read((tx) => tx.accounts.anyAdmin())
  }
}

function gone() {
  return forbidden('This address is not valid. It works only until the first administrator exists.')
}
