import type { ServerName } from '#core/ids.ts'
import { AccountData } from '#services/account-data/account-data.ts'
import { Accounts } from '#services/accounts/accounts.ts'
import { Devices } from '#services/accounts/devices.ts'
import { FirstRun } from '#services/accounts/first-run.ts'
import { Login } from '#services/accounts/login.ts'
import { OpenIdTokens } from '#services/accounts/openid-tokens.ts'
import { type PasswordCost, PasswordHasher } from '#services/accounts/password-hasher.ts'
import { Passwords } from '#services/accounts/passwords.ts'
import { Registration, type RegistrationRules } from '#services/accounts/registration.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'
import { Sessions } from '#services/accounts/sessions.ts'
import { SharedSecretRegistration } from '#services/accounts/shared-secret-registration.ts'
import { dummyStage } from '#services/accounts/uia/dummy-stage.ts'
import { passwordStage } from '#services/accounts/uia/password-stage.ts'
import { Uia } from '#services/accounts/uia/uia.ts'
import { Filters } from '#services/filters/filters.ts'
import type { Part } from '#services/parts/part.ts'
import { Profiles } from '#services/profiles/profiles.ts'
import { PushRules } from '#services/push-rules/push-rules.ts'
import type { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import type { Store } from '#store/store.ts'

/** What concerns accounts alone, and no rooms. */
export interface AccountServices {
  readonly sessions: Sessions
  readonly accounts: Accounts
  readonly login: Login
  readonly registration: Registration
  readonly sharedSecretRegistration: SharedSecretRegistration
  readonly uia: Uia
  readonly devices: Devices
  readonly firstRun: FirstRun
  readonly openIdTokens: OpenIdTokens
  readonly profiles: Profiles
  readonly accountData: AccountData
  readonly pushRules: PushRules
  readonly filters: Filters
}

export type AccountSettings = {
  readonly serverName: ServerName
  readonly passwordCost: PasswordCost
  readonly registration: RegistrationRules
  /** Lets scripts make accounts; null = not wanted. */
  readonly sharedSecret: string | null
}

type Deps = Pick<Part, 'onStop'> & {
  store: Store
  limiter: RateLimiter
  /** Milliseconds since 1970. */
  clock: () => number
  randomBytes: RandomBytes
  /** Told of failures that no request waits for. */
  onError: (error: unknown) => void
  settings: AccountSettings
}

/** Makes them all. */
export function accountServices({ settings, ...given }: Deps): AccountServices {
  const { store, randomBytes } = given
  const { serverName } = settings
  const sessions = new Sessions(given)
  given.onStop(() => sessions.stop())
  const hasher = new PasswordHasher({ cost: settings.passwordCost, randomBytes })
  const passwords = new Passwords({ ...given, serverName, hasher })
  const accounts = new Accounts({ ...given, serverName, passwords, sessions })
  const rules = settings.registration
  const registration = new Registration({ store, serverName, randomBytes, rules, accounts, passwords, sessions })
  return {
    sessions,
    accounts,
    login: new Login({ ...given, serverName, passwords, sessions }),
    registration,
    sharedSecretRegistration: new SharedSecretRegistration({ ...given, secret: settings.sharedSecret, registration }),
    uia: new Uia({ ...given, stages: [dummyStage, passwordStage(passwords)] }),
    devices: new Devices({ store, sessions }),
    firstRun: new FirstRun({ store, accounts, serverName, randomBytes }),
    openIdTokens: new OpenIdTokens(given),
    profiles: new Profiles({ store }),
    accountData: new AccountData({ store }),
    pushRules: new PushRules({ store }),
    filters: new Filters({ store }),
  }
}
