import { member } from '#core/json/value.ts'
import { badJson, forbidden, missingParam } from '#core/matrix-error.ts'
import type { Passwords } from '#services/accounts/passwords.ts'
import type { StageOutcome, UiaStage } from '#services/accounts/uia/stage.ts'
import { typedName } from '#services/accounts/user-identifier.ts'

const WRONG: StageOutcome = { completed: false, errcode: 'M_FORBIDDEN', error: 'Wrong user name or password' }

/**
 * `m.login.password`. The password must be the caller's own; without an access token it tells who the user is.
 * Finds `user`, the user id.
 */
export function passwordStage(passwords: Passwords): UiaStage {
  return {
    type: 'm.login.password',
    params: () => null,
    async attempt(auth, { caller }) {
      const password = member(auth, 'password')
      if (password === undefined) throw missingParam("'auth.password' is missing")
      if (typeof password !== 'string') throw badJson("'auth.password' must be a string")
      const name = typedName(auth) ?? caller?.userId
      if (name === undefined) throw missingParam("'auth.identifier' is missing")
      // Before the password is looked at: otherwise the answer would tell whether somebody else's is right.
      if (caller !== null && !(await passwords.isNameOf(name, caller.userId))) {
        throw forbidden('You can authenticate only as yourself')
      }
      const account = await passwords.check(name, password)
      if (account === null || account.deactivatedTs !== null) return WRONG
      return { completed: true, found: { user: account.userId } }
    },
  }
}
