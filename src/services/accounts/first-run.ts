import { constantTimeEqual } from '#core/crypto.ts'
import type { ServerName } from '#core/ids.ts'
import { forbidden, MatrixError } from '#core/matrix-error.ts'
import type { Accounts, CreatedAccount } from '#services/accounts/accounts.ts'
import { newSecret, type RandomBytes } from '#services/accounts/secrets.ts'
import { weakness } from '#services/accounts/weak-password.ts'
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
  readonly #serverName: ServerName
  readonly #randomBytes: RandomBytes
  readonly #token: string

  constructor(deps: { store: Store; accounts: Accounts; serverName: ServerName; randomBytes: RandomBytes }) {
    this.#store = deps.store
    this.#accounts = deps.accounts
    this.#serverName = deps.serverName
    this.#randomBytes = deps.randomBytes
    this.#token = newSecret('first', deps.randomBytes)
  }

  /** The address below `baseUrl` (without a slash at its end); null when there is an administrator already. */
  async address(baseUrl: string): Promise<string | null> {
    return (await this.#isOver()) ? null : `${baseUrl}${FIRST_RUN_PATH}${this.#token}`
  }

  /** Whether the token opens the page: not a wrong one, nor any when there is an administrator already. */
  async state(token: string): Promise<'open' | 'wrong' | 'over'> {
    if (await this.#isOver()) return 'over'
    return constantTimeEqual(token, this.#token) ? 'open' : 'wrong'
  }

  /** For the script of a page. */
  nonce(): string {
    return newSecret('nonce', this.#randomBytes)
  }

  /**
   * @throws MatrixError M_FORBIDDEN where the token doesn't open the page, M_WEAK_PASSWORD; and as
   *   `Accounts.createFirstAdministrator` does
   */
  async createAdministrator(token: string, localpart: string, password: string): Promise<CreatedAccount> {
    if ((await this.state(token)) !== 'open') throw forbidden('This address is not valid')
    const weak = weakness(password, [localpart, this.#serverName])
    if (weak !== null) throw new MatrixError('M_WEAK_PASSWORD', `This password ${weak}`)
    return this.#accounts.createFirstAdministrator({ localpart, password })
  }

  async #isOver(): Promise<boolean> {
    return this.#store.read((tx) => tx.accounts.anyAdmin())
  }
}
