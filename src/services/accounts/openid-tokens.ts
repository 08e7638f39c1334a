/** Tokens by which users prove to others who they are (client-server API, "OpenID"). */

import type { UserId } from '#core/ids.ts'
import { unknownToken } from '#core/matrix-error.ts'
import { newSecret, type RandomBytes } from '#services/accounts/secrets.ts'
import { lru } from '#store/lru.ts'
import type { Store } from '#store/store.ts'

/** How long a token is good for. A restart ends it earlier: clients ask for a new one. */
export const OPENID_TOKEN_SECONDS = 3_600
/** Beyond, the tokens least recently asked for end. */
const TOKENS_MAX = 100_000

type Deps = { readonly store: Store; readonly clock: () => number; readonly randomBytes: RandomBytes }

export class OpenIdTokens {
  readonly #deps: Deps
  readonly #tokens = lru<string, { readonly userId: UserId; readonly untilTs: number }>(TOKENS_MAX)

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** A new token for the user. */
  issue(userId: UserId): string {
    const { clock, randomBytes } = this.#deps
    const token = newSecret('hso', randomBytes)
    this.#tokens.set(token, { userId, untilTs: clock() + OPENID_TOKEN_SECONDS * 1_000 })
    return token
  }

  /** Whose token it is. @throws M_UNKNOWN_TOKEN, also once the account has ended */
  async userOf(token: string): Promise<UserId> {
    const { store, clock } = this.#deps
    const found = this.#tokens.get(token)
    const isGood = found !== undefined && clock() < found.untilTs && (await isActive(store, found.userId))
    if (!isGood) throw unknownToken('Access token unknown or expired')
    return found.userId
  }
}

function isActive(store: Store, userId: UserId): Promise<boolean> {
  return store.read(async (tx) => {
    const user = await tx.users.nid(userId)
    const account = user === null ? null : await tx.accounts.get(user)
    return account !== null && account.deactivatedTs === null
  })
}
